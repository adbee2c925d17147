//! A deleted tenant leaves nothing, in whatever order things go.

use std::thread;
use std::time::Duration;

use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Look, Outcome, Project, Tenant, alone, invariants, manager, scenario, wait_until};

const GONE: Duration = Duration::from_secs(10);
/// [`GONE`], and what the namespace controller may let pass before it looks at a name that has just gone once before.
const GONE_AGAIN: Duration = Duration::from_secs(20);
/// [`GONE`], and what the namespace controller takes to look at the project again.
const PROJECT_GONE: Duration = Duration::from_secs(30);
/// [`GONE`], and the time without a manager.
const GONE_WITH_A_NEW_MANAGER: Duration = Duration::from_secs(25);

#[test]
fn a_tenant_whose_plane_somebody_deleted_first_leaves_nothing() -> Outcome {
    scenario("plane-first", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let words = ["delete", "namespace", &tenant.plane()?, "--wait=false"];
        project.management.run(&words)?;
        tenant.delete()?;
        leaves_nothing(project, GONE)
    })
}

#[test]
fn a_tenant_whose_project_somebody_deleted_whole_leaves_nothing() -> Outcome {
    scenario("project-first", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        tenant.token("nodes", "1h")?.secret()?;
        let words = ["delete", "namespace", &project.name, "--wait=false"];
        project.management.run(&words)?;
        wait_until("the project and its control plane are gone", PROJECT_GONE, || {
            let there = project.management.find(&["namespace", &project.name])?;
            let left = format!("{}, {:?}", there.is_some(), invariants::planes(project)?);
            Ok(Look::done_if(left == "false, []", || left))
        })
    })
}

#[test]
fn a_deletion_that_outlives_its_manager_goes_on_with_the_next_one() -> Outcome {
    scenario("manager-gone", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        alone()?;
        tenant.delete()?;
        manager::end()?;
        leaves_nothing(project, GONE_WITH_A_NEW_MANAGER)
    })
}

#[test]
fn a_tenant_that_is_deleted_half_made_leaves_nothing() -> Outcome {
    scenario("half-made", |project| {
        for pause in [0, 500, 2000, 5000] {
            let tenant = Tenant::create(project, "demo", &spec_for_namespaces("1.37"))?;
            tenant.token("early", "1h")?;
            thread::sleep(Duration::from_millis(pause));
            tenant.delete()?;
            project.management.run(&["delete", "jointokens", "--all", "-n", &project.name])?;
            leaves_nothing(project, GONE_AGAIN)?;
        }
        Ok(())
    })
}

fn leaves_nothing(project: &Project, within: Duration) -> Outcome {
    wait_until("nothing of the tenant is left", within, || {
        let objects = project.list(&["tenantclusters,jointokens"])?.len();
        let secrets = project.list(&["secrets"])?.len();
        let planes = invariants::planes(project)?;
        let left = format!("{objects} objects, {secrets} Secrets, planes {planes:?}");
        Ok(Look::done_if(objects == 0 && secrets == 0 && planes.is_empty(), || left))
    })
}

//! Nothing happens when nothing changes: no write and no restart, also across a restart of the manager and a
//! second apply of the same manifests.

use std::time::Duration;

use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::versions::{differences, versions};
use e2e::ring::{Outcome, Tenant, ensure, manager, scenario, stays};

const IDLE: Duration = Duration::from_secs(30);
const SETTLED: Duration = Duration::from_secs(10);

#[test]
fn an_unchanged_tenant_is_not_written_to_and_a_new_manager_restarts_nothing() -> Outcome {
    scenario("steady", |project| {
        let tenants = ["one", "two"].map(|name| Tenant::ready(project, name, "1.37"));
        let tenants = tenants.into_iter().collect::<Result<Vec<_>, _>>()?;
        let before = versions(&tenants)?;
        manager::restart()?;
        for tenant in &tenants {
            tenant.apply(&spec_for_namespaces("1.37"))?;
        }
        stays("every tenant stays Ready while the manager is new", SETTLED, || {
            tenants.iter().try_for_each(|tenant| {
                let ready = tenant.condition("Ready")?;
                ensure(ready.status == "True", || format!("{}: {ready:?}", tenant.name))
            })
        })?;
        manager::writes_nothing(IDLE)?;
        let after = versions(&tenants)?;
        ensure(before == after, || differences(&before, &after))
    })
}

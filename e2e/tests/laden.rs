//! A tenant that keeps a great deal, and is asked for all of it by several at once, stays within the limits that everybody
//! has; and its neighbour does not notice.

use std::thread;
use std::time::Duration;

use e2e::bench::idle::memory;
use e2e::progress::{say, step};
use e2e::ring::kubectl::{each, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Failure, Kubectl, Outcome, Project, Tenant, ensure, invariants, kinds, scenario, stays,
};
use serde_json::{Value, json};

const SECRETS: usize = 5_000;
const SECRETS_AT_ONCE: usize = 500;
/// Bytes of each, before base64.
const SECRET_SIZE: usize = 3_000;
const KINDS: usize = 100;
const READERS: usize = 4;
const ROUNDS: usize = 5;
/// A collection and a compaction later.
const RESTS: Duration = Duration::from_secs(30);
/// Of a scheme that is as large as they get: its own group makes it the tenant's.
const LARGE_KIND: &str = "tenantclusters.nagaya.dev";

#[test]
fn five_thousand_secrets_and_a_hundred_kinds_fit_into_the_limits_of_every_control_plane() -> Outcome
{
    scenario("laden", |project| {
        let tenants = ["laden", "beside"].map(|name| {
            let tenant = Tenant::create(project, name, &spec_for_namespaces("1.37"))?;
            tenant.await_ready()?;
            let since = ready_since(&tenant)?;
            Ok::<_, Failure>((tenant, since))
        });
        let [laden, beside] = tenants;
        let tenants = [laden?, beside?];
        let cluster = tenants[0].0.admin()?;
        say_what_is_held(&tenants, "at first")?;
        kinds::create(&cluster, KINDS, LARGE_KIND)?;
        make_secrets(&cluster)?;
        read_all_of_it(&cluster)?;
        say_what_is_held(&tenants, "laden")?;
        stays("nobody has restarted", RESTS, || goes_on(project, &tenants))
    })
}

fn ready_since(tenant: &Tenant) -> Outcome<String> {
    let conditions = tenant.status("/conditions")?;
    let ready = each(&conditions, "").find(|one| one["type"] == "Ready");
    let ready = ready.filter(|ready| ready["status"] == "True");
    let ready = ready.ok_or_else(|| Failure::new(format!("{} is not Ready", tenant.name)))?;
    Ok(text(ready, "/lastTransitionTime").to_owned())
}

fn say_what_is_held(tenants: &[(Tenant, String)], when: &str) -> Outcome {
    for (tenant, _) in tenants {
        let anonymous = memory(&tenant.plane()?)?.anonymous_mib();
        say(&format!("  {}, {when}: {anonymous:.0} MiB anonymous", tenant.name));
    }
    Ok(())
}

fn goes_on(project: &Project, tenants: &[(Tenant, String)]) -> Outcome {
    invariants::check(project)?;
    tenants.iter().try_for_each(|(tenant, since)| {
        let now = ready_since(tenant)?;
        ensure(now == *since, || format!("{} was not Ready until {now}", tenant.name))
    })
}

fn make_secrets(cluster: &Kubectl) -> Outcome {
    let secrets: Vec<Value> = (0..SECRETS).map(secret).collect();
    step(format!("{SECRETS} Secrets"), || {
        secrets.chunks(SECRETS_AT_ONCE).try_for_each(|some| cluster.create_all(some))
    })
}

fn secret(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("laden-{number}")},
        "stringData": {"value": number.to_string().repeat(SECRET_SIZE / number.to_string().len())},
    })
}

/// As a dashboard does, and every kubectl with its validation.
fn read_all_of_it(cluster: &Kubectl) -> Outcome {
    let read = || -> Outcome {
        for _ in 0..ROUNDS {
            let secrets = cluster.list(&["secrets", "--request-timeout=60s"])?;
            ensure(secrets.len() == SECRETS, || format!("{} Secrets", secrets.len()))?;
            cluster.run(&["get", "--raw", "/openapi/v2", "--request-timeout=60s"])?;
        }
        Ok(())
    };
    step(format!("{READERS} read all of it, {ROUNDS} times"), || {
        thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
            readers
                .into_iter()
                .try_for_each(|one| one.join().map_err(|_| Failure::new("a reader panicked"))?)
        })
    })
}

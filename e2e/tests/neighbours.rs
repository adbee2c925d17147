//! Two tenants with the same addresses at once, of two minors: neither sees the other.

use std::time::Duration;

use e2e::ring::kubectl::name;
use e2e::ring::{
    JoinAttempt, JoinSecret, Kubectl, Machine, Outcome, Project, Tenant, ensure, ensure_says,
    scenario,
};
use serde_json::Value;

const NODE_READY: Duration = Duration::from_mins(1);

/// A tenant with one node.
struct Household<'p> {
    tenant: Tenant<'p>,
    cluster: Kubectl,
    machine: Machine,
    secret: JoinSecret,
}

#[test]
fn two_tenants_with_the_same_networks_do_not_see_each_other() -> Outcome {
    scenario("neighbours", |project| {
        let (one, other) = (settle(project, "anna", "1.37")?, settle(project, "bert", "1.36")?);
        have_the_same_networks(&one, &other)?;
        for (own, neighbour) in [(&one, &other), (&other, &one)] {
            lists_its_own_node_only(own)?;
            sees_no_secret_of(own, neighbour)?;
            is_refused_by(own, neighbour)?;
        }
        Ok(())
    })
}

fn settle<'p>(project: &'p Project, name: &str, minor: &str) -> Outcome<Household<'p>> {
    let tenant = Tenant::ready(project, name, minor)?;
    let secret = tenant.token(name, "1h")?.secret()?;
    let machine = Machine::add(&format!("ring-{name}"), minor)?;
    machine.join(&secret)?;
    let cluster = tenant.admin()?;
    machine.await_ready(&cluster, NODE_READY)?;
    Ok(Household { tenant, cluster, machine, secret })
}

/// Else the rest would prove nothing.
fn have_the_same_networks(one: &Household, other: &Household) -> Outcome {
    let of = |house: &Household| -> Outcome<(Value, Value)> {
        let node = house.cluster.get(&["node", house.machine.name()])?;
        let service = house.cluster.get(&["service", "kubernetes"])?;
        Ok((node["spec"]["podCIDR"].clone(), service["spec"]["clusterIP"].clone()))
    };
    let (here, there) = (of(one)?, of(other)?);
    ensure(here == there && here.0.is_string(), || format!("{here:?} and {there:?} differ"))
}

fn lists_its_own_node_only(own: &Household) -> Outcome {
    let nodes = own.cluster.list(&["nodes"])?;
    let names: Vec<&str> = nodes.iter().map(name).collect();
    ensure(names == [own.machine.name()], || format!("{} lists {names:?}", own.tenant.name))
}

fn sees_no_secret_of(own: &Household, neighbour: &Household) -> Outcome {
    let mine = own.cluster.run(&["get", "secrets", "--all-namespaces", "-o", "name"])?;
    let id = neighbour.secret.token_id();
    ensure(!mine.contains(id), || format!("{} has its neighbour's token {id}", own.tenant.name))
}

/// Neither the certificate nor the token of one opens the other's API.
fn is_refused_by(own: &Household, neighbour: &Household) -> Outcome {
    let endpoint = format!("--server=https://{}", neighbour.secret.endpoint);
    let words = ["get", "nodes", &endpoint];
    let refusal = own.cluster.refusal(&words)?;
    ensure_says(&refusal, &["certificate signed by unknown authority"])?;
    let insecure = [&words[..], &["--insecure-skip-tls-verify"]].concat();
    ensure_says(&own.cluster.refusal(&insecure)?, &["Unauthorized"])?;
    let attempt =
        JoinAttempt { token: own.secret.token.clone(), ..JoinAttempt::from(&neighbour.secret) };
    own.machine.reset()?;
    match own.machine.try_join(&attempt)? {
        Ok(()) => ensure(false, || format!("{} joined its neighbour", own.machine.name())),
        Err(words) => ensure_says(&words, &["couldn't validate the identity of the API Server"]),
    }
}

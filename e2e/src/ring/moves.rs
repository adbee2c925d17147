//! A tenant whose endpoint becomes another one, as its operator sees it.

use std::time::Duration;

use serde_json::Value;

use super::{Look, Machine, Outcome, Tenant, ensure, ensure_says, wait_until};

const SOON: Duration = Duration::from_mins(1);

/// Fails unless a field of the status is that.
///
/// # Errors
/// It is something else.
pub fn is_said(tenant: &Tenant, pointer: &str, wanted: &Value) -> Outcome {
    let said = tenant.status(pointer)?;
    ensure(said == *wanted, || format!("{pointer} is {said}, not {wanted}"))
}

/// Waits until these nodes, and no others, are said to be left.
///
/// # Errors
/// They are not within a minute.
pub fn await_named(tenant: &Tenant, nodes: &Value) -> Outcome {
    wait_until(&format!("the nodes that are left are {nodes}"), SOON, || {
        let said = tenant.status("/formerEndpoint/nodes")?;
        Ok(Look::done_if(said == *nodes, || said.to_string()))
    })
}

/// The very line that the status has, as somebody would paste it.
///
/// # Errors
/// It does not say that the machine uses that endpoint now.
pub fn run_command(tenant: &Tenant, machine: &Machine, endpoint: &str) -> Outcome {
    let command = tenant.status("/formerEndpoint/command")?;
    let command = command.as_str().unwrap_or_default();
    let said = machine.run(&["bash", "-c", command])?;
    ensure_says(&said, &[&format!("{} uses {endpoint}", machine.name())])
}

/// Waits until nobody answers a machine at an endpoint.
///
/// # Errors
/// Somebody still does after a minute.
pub fn await_refusal(machine: &Machine, endpoint: &str) -> Outcome {
    let url = format!("https://{endpoint}/livez");
    let curl = ["curl", "--silent", "--show-error", "--insecure", "--max-time", "5", &url];
    wait_until(&format!("{endpoint} refuses"), SOON, || {
        Ok(match machine.run(&curl) {
            Ok(answer) => Look::done_if(false, || answer),
            Err(_) => Look::done_if(true, String::new),
        })
    })
}

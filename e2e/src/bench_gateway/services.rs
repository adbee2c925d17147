//! The routes: Services of the management API, each with an address that this network namespace has itself.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::bench_scale::api;
use crate::bench_scale::tenants::in_parallel;
use crate::ring::{Failure, Outcome};

const PATH: &str = "/api/v1/namespaces/default/services";

/// The name of a route: all are as long as the others.
pub fn host(number: usize) -> String {
    format!("t{number:05}.example.com")
}

/// Its address; `gateway_load` knows it too.
pub fn address(number: usize) -> String {
    let number = number + 256;
    format!("10.97.{}.{}", number / 256, number % 256)
}

/// So many of them.
pub fn make(routes: usize) -> Outcome {
    in_parallel(routes, create)
}

/// One more.
pub fn create(number: usize) -> Outcome {
    api::create(PATH, &service(number, number))
}

/// Has the Service `number` go by the name of another route from now on.
pub fn rename(number: usize, name: usize) -> Outcome {
    let annotations = json!({"nagaya.dev/gateway-hosts": host(name)});
    api::merge(&format!("{PATH}/t{number:05}"), &json!({"metadata": {"annotations": annotations}}))
}

/// Nanoseconds since 1970, as `gateway_load` counts them.
pub fn now() -> Outcome<f64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.map_err(|error| Failure::new(error.to_string()))?.as_secs_f64() * 1e9)
}

fn service(number: usize, name: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": format!("t{number:05}"),
            "labels": {"nagaya.dev/gateway": "true"},
            "annotations": {"nagaya.dev/gateway-hosts": host(name)},
        },
        "spec": {"clusterIP": address(number), "ports": [{"name": "https", "port": 443}]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_an_address_of_its_own_in_the_services_network() {
        assert_eq!((address(0).as_str(), address(999).as_str()), ("10.97.1.0", "10.97.4.231"));
        assert_eq!(host(7), "t00007.example.com");
    }
}

//! A tenant that moves from one way to be reached to another.

use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use super::{Act, Flow, ask, of_plane, status};
use crate::memory_api::NODE_ADDRESS;
use crate::stage::Stage;
use crate::{expose_move, load_balancers};

/// To the gateway, back, and there again; then the node port ends.
pub const MOVE: Flow = Flow {
    least_writes: 20,
    acts: &[
        Act {
            does: |stage| ask(stage, &json!({"expose": {"type": "Gateway"}})),
            comes_to: "an endpoint at the gateway",
            done: |stage| has_moved_to(stage, AT_THE_GATEWAY),
        },
        Act {
            does: |stage| ask(stage, &json!({"expose": {"type": "NodePort"}})),
            comes_to: "the endpoint of before",
            done: |stage| {
                let former = stage.tenant().unwrap_or_default()["status"]["formerEndpoint"].clone();
                let back = status(stage, "endpoint").as_str().unwrap_or_default().to_owned();
                former["endpoint"] == AT_THE_GATEWAY && has_moved_to(stage, &back)
            },
        },
        Act {
            does: |stage| ask(stage, &json!({"expose": {"type": "Gateway"}})),
            comes_to: "an endpoint at the gateway again",
            done: |stage| has_moved_to(stage, AT_THE_GATEWAY),
        },
        END_OF_FORMER,
    ],
};

/// To a load balancer that gives its address some time later, from there to one outside, to another one and back,
/// and to a node port again.
pub const MOVE_BY_BALANCERS: Flow = Flow {
    least_writes: 30,
    acts: &[
        TO_A_LOAD_BALANCER,
        ITS_ADDRESS,
        END_OF_FORMER,
        Act {
            does: |stage| {
                let mut expose = load_balancers::external()["expose"].clone();
                expose["retiredEndpoint"] = Value::Null;
                ask(stage, &json!({"expose": expose}));
            },
            comes_to: "an endpoint outside",
            done: |stage| has_moved_to(stage, "demo.lb.example:6443"),
        },
        END_OF_FORMER,
        Act {
            does: |stage| {
                let expose =
                    json!({"external": {"host": "new.lb.example"}, "retiredEndpoint": null});
                ask(stage, &json!({ "expose": expose }));
            },
            comes_to: "another endpoint outside",
            done: |stage| has_moved_to(stage, "new.lb.example:6443"),
        },
        Act {
            does: |stage| {
                ask(stage, &json!({"expose": {"external": {"host": "demo.lb.example"}}}));
            },
            comes_to: "the endpoint of before outside",
            done: |stage| has_moved_to(stage, "demo.lb.example:6443"),
        },
        END_OF_FORMER,
        Act {
            does: |stage| {
                let expose = json!({"type": "NodePort", "external": null, "retiredEndpoint": null});
                ask(stage, &json!({"expose": expose}));
            },
            comes_to: "an endpoint by a node port",
            done: |stage| {
                let endpoint = status(stage, "endpoint").as_str().unwrap_or_default().to_owned();
                endpoint.starts_with(&NODE_ADDRESS.to_string()) && has_moved_to(stage, &endpoint)
            },
        },
        END_OF_FORMER,
    ],
};

/// From a load balancer to the gateway, and there again.
pub const MOVE_BETWEEN_GATEWAY_AND_BALANCER: Flow = Flow {
    least_writes: 20,
    acts: &[
        TO_A_LOAD_BALANCER,
        ITS_ADDRESS,
        END_OF_FORMER,
        TO_THE_GATEWAY,
        END_OF_FORMER,
        TO_A_LOAD_BALANCER,
        ITS_ADDRESS,
        END_OF_FORMER,
    ],
};

const TO_THE_GATEWAY: Act = Act {
    does: |stage| ask(stage, &json!({"expose": {"type": "Gateway", "retiredEndpoint": null}})),
    comes_to: "an endpoint at the gateway",
    done: |stage| has_moved_to(stage, AT_THE_GATEWAY),
};

const TO_A_LOAD_BALANCER: Act = Act {
    does: |stage| ask(stage, &json!({"expose": {"type": "LoadBalancer", "retiredEndpoint": null}})),
    comes_to: "a Service that waits for its address",
    done: |stage| {
        let service = of_plane("Service", expose_move::SECOND);
        stage.condition(conditions::RECONCILING)["reason"] == "LoadBalancerPending"
            && stage.planes.names_in(&Stage::plane()).contains(&service)
    },
};

const ITS_ADDRESS: Act = Act {
    does: |stage| {
        let service = (Stage::plane(), expose_move::SECOND);
        load_balancers::give_to(stage, (&service.0, service.1), load_balancers::ADDRESS);
    },
    comes_to: "an endpoint by the load balancer",
    done: |stage| has_moved_to(stage, "198.51.100.20:6443"),
};

const END_OF_FORMER: Act = Act {
    does: |stage| {
        let former = status(stage, "formerEndpoint")["endpoint"].clone();
        ask(stage, &json!({"expose": {"retiredEndpoint": former}}));
    },
    comes_to: "no former endpoint",
    done: |stage| {
        let services =
            [expose_move::FIRST, expose_move::SECOND].map(|name| of_plane("Service", name));
        let live = stage.planes.names_in(&Stage::plane());
        stage.is_settled()
            && status(stage, "formerEndpoint").is_null()
            && services.iter().filter(|service| live.contains(service)).count() == 1
    },
};

const AT_THE_GATEWAY: &str = "demo.acme.k8s.example.com:443";

/// And nodes that join are known to be handed it.
fn has_moved_to(stage: &Stage, endpoint: &str) -> bool {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap_or_default();
    let former = plane["metadata"]["annotations"][labels::FORMER_ENDPOINT].as_str().map(|text| {
        let former: Value = serde_json::from_str(text).unwrap();
        former["handedOut"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default()
    });
    stage.is_settled()
        && status(stage, "endpoint") == endpoint
        && former.is_some_and(|last| last["endpoint"] == endpoint)
        && stage.condition(conditions::NODES_MOVED)["status"] == "True"
}

//! What happens to a tenant, and how it is told that each part of it is over. Moves are in `flows/moves.rs`.

mod moves;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::{conditions, labels};
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Picture, Stage, spec, tenant_id};
use crate::{addons, former_secrets, gateway, join_tokens, load_balancers, snapshots_in_a_bucket};

pub use moves::{MOVE, MOVE_BETWEEN_GATEWAY_AND_BALANCER, MOVE_BY_BALANCERS};

/// One after the other.
pub struct Flow {
    pub acts: &'static [Act],
    /// To the management side; fewer would mean that it did not happen.
    pub least_writes: usize,
}

/// One part of a flow.
pub struct Act {
    pub does: fn(&mut Stage),
    pub comes_to: &'static str,
    pub done: fn(&Stage) -> bool,
}

const OLD: &str = "v1.36.3";
const NEW: &str = "v1.37.1";

/// A tenant that is Ready, at the older version.
pub async fn born() -> Picture {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": OLD}));
    stage.settled().await;
    stage.picture()
}

/// From nothing to a plane that waits for its nodes.
pub const BIRTH: Flow = Flow {
    least_writes: 25,
    acts: &[Act {
        does: |stage| stage.create_tenant(&spec()),
        comes_to: "a plane that waits for nodes",
        done: |stage| {
            stage.condition(conditions::ENDPOINT_REACHABLE)["status"] == "False"
                && stage.projects.get("Secret", PROJECT, "demo-kubeconfig").is_some()
                && stage.condition(conditions::SCHEDULER_READY)["reason"] == "NotReady"
        },
    }],
};

/// From nothing to a cluster that can be joined.
pub const WHOLE_BIRTH: Flow = Flow {
    least_writes: 25,
    acts: &[Act {
        does: |stage| stage.create_tenant(&spec()),
        comes_to: "a cluster that can be joined",
        done: Stage::is_settled,
    }],
};

/// Asked for, and deleted.
pub const TOKEN: Flow = Flow {
    least_writes: 2,
    acts: &[
        Act {
            does: |stage| stage.create_join_token("vms"),
            comes_to: "a token that is issued",
            done: |stage| join_tokens::issued(stage)["status"] == "True",
        },
        Act {
            does: |stage| stage.projects.delete(&join_tokens::token_id()),
            comes_to: "no token",
            done: |stage| join_tokens::is_gone(stage),
        },
    ],
};

/// [`BIRTH`] at an address that is given some time after it was asked for.
pub const BIRTH_BY_A_LOAD_BALANCER: Flow = Flow {
    least_writes: 25,
    acts: &[
        Act {
            does: |stage| stage.create_tenant(&load_balancers::balanced()),
            comes_to: "a Service that waits for its address",
            done: |stage| stage.condition(conditions::READY)["reason"] == "LoadBalancerPending",
        },
        Act {
            does: |stage| load_balancers::give(stage, load_balancers::ADDRESS),
            comes_to: "a plane that waits for nodes",
            done: |stage| (BIRTH.acts[0].done)(stage),
        },
    ],
};

pub const BIRTH_BEHIND_AN_EXTERNAL_ONE: Flow = Flow {
    least_writes: 25,
    acts: &[Act {
        does: |stage| stage.create_tenant(&load_balancers::external()),
        comes_to: "a plane that waits for nodes",
        done: |stage| (BIRTH.acts[0].done)(stage),
    }],
};

pub const BIRTH_BEHIND_THE_GATEWAY: Flow = Flow {
    least_writes: 25,
    acts: &[Act {
        does: |stage| stage.create_tenant(&gateway::behind_the_gateway()),
        comes_to: "a plane that waits for nodes",
        done: |stage| (BIRTH.acts[0].done)(stage),
    }],
};

/// Cluster DNS gets more pods; kube-proxy is handed over, removed by the tenant, and taken back.
pub const ADDONS: Flow = Flow {
    least_writes: 2,
    acts: &[
        Act {
            does: |stage| {
                let kept = json!({"management": "Unmanaged"});
                ask(stage, &json!({"addons": {"coreDNS": {"replicas": 3}, "kubeProxy": kept}}));
            },
            comes_to: "three pods of cluster DNS",
            done: |stage| stage.is_settled() && addons::replicas_of_core_dns(stage) == 3,
        },
        Act {
            does: |stage| {
                stage.inside.delete(&addons::id(addons::KUBE_PROXY));
                let taken = json!({"management": "Managed"});
                ask(stage, &json!({"addons": {"coreDNS": {"replicas": 4}, "kubeProxy": taken}}));
            },
            comes_to: "kube-proxy again, and four pods of cluster DNS",
            done: |stage| {
                stage.is_settled()
                    && addons::is_there(stage, addons::KUBE_PROXY)
                    && addons::replicas_of_core_dns(stage) == 4
            },
        },
    ],
};

pub const SCALE: Flow = Flow {
    least_writes: 10,
    acts: &[
        Act {
            does: |stage| {
                ask(stage, &json!({"controlPlane": {"replicas": 3}, "etcd": {"replicas": 3}}));
            },
            comes_to: "three of each",
            done: |stage| stage.is_settled() && stage.etcds.members(&Stage::plane()) == [0, 1, 2],
        },
        Act {
            does: |stage| {
                ask(stage, &json!({"controlPlane": {"replicas": 1}, "etcd": {"replicas": 1}}));
            },
            comes_to: "one of each",
            done: |stage| stage.is_settled() && stage.etcds.members(&Stage::plane()) == [0],
        },
    ],
};

/// After a snapshot.
pub const UPGRADE: Flow = Flow {
    least_writes: 8,
    acts: &[Act {
        does: |stage| ask(stage, &json!({"version": NEW})),
        comes_to: "the newer version",
        done: |stage| stage.is_settled() && status(stage, "version") == NEW,
    }],
};

pub const PAUSE: Flow = Flow {
    least_writes: 3,
    acts: &[
        Act {
            does: |stage| {
                ask(stage, &json!({"paused": true, "controlPlane": {"replicas": 2}}));
                stage.planes.delete(&of_plane("StatefulSet", "kube-scheduler"));
            },
            comes_to: "a status of a paused tenant",
            done: |stage| status(stage, "observedGeneration") == generation(stage),
        },
        Act {
            does: |stage| ask(stage, &json!({"paused": false})),
            comes_to: "what was asked for meanwhile",
            done: Stage::is_settled,
        },
    ],
};

pub const REFUSAL: Flow = Flow {
    least_writes: 2,
    acts: &[
        Act {
            does: |stage| ask(stage, &json!({"expose": {"extraNames": ["Not_A_Name"]}})),
            comes_to: "a refusal",
            done: |stage| stage.condition(conditions::STALLED)["reason"] == "Refused",
        },
        Act {
            does: |stage| ask(stage, &json!({"expose": {"extraNames": null}})),
            comes_to: "what was before",
            done: |stage| stage.is_settled() && stage.condition(conditions::STALLED).is_null(),
        },
    ],
};

/// A snapshot that is due, and the way back to it.
pub const RESTORE: Flow = Flow {
    least_writes: 12,
    acts: &[
        Act {
            does: make_a_snapshot_due,
            comes_to: "a snapshot",
            done: |stage| stage.is_settled() && snapshot(stage).is_some_and(|name| name != "old"),
        },
        Act {
            does: |stage| {
                let name = snapshot(stage).unwrap();
                ask(stage, &json!({"restoreFrom": {"snapshot": name}}));
            },
            comes_to: "what it was at the snapshot",
            done: is_restored,
        },
    ],
};

/// Of a control plane that is lost, out of a bucket.
pub const RECOVERY: Flow = Flow {
    least_writes: 20,
    acts: &[Act {
        does: |stage| snapshots_in_a_bucket::recover(stage),
        comes_to: "what it was at the snapshot",
        done: is_restored,
    }],
};

fn is_restored(stage: &Stage) -> bool {
    let plane = stage.planes.get("Namespace", "", &Stage::plane()).unwrap();
    stage.is_settled()
        && plane["metadata"]["annotations"][labels::RESTORED_FROM].is_string()
        && stage.planes.all("Job", Some(&Stage::plane())).is_empty()
}

/// Other settings, with the next manager.
pub const TEMPLATES: Flow = Flow {
    least_writes: 2,
    acts: &[Act {
        does: |stage| {
            stage.kill_manager();
            let limits = Some([("memory".to_owned(), Quantity("321Mi".to_owned()))].into());
            let resources = ResourceRequirements { limits, ..ResourceRequirements::default() };
            stage.config.render.resources.insert("kube-scheduler".to_owned(), resources);
            stage.start_manager();
        },
        comes_to: "the other limit",
        done: |stage| {
            let live = stage.planes.get("StatefulSet", &Stage::plane(), "kube-scheduler").unwrap();
            let container = &live["spec"]["template"]["spec"]["containers"][0];
            stage.is_settled() && container["resources"]["limits"]["memory"] == "321Mi"
        },
    }],
};

/// A manager comes that makes a Secret for each component, after one that made one for each certificate.
pub const FORMER_SECRETS: Flow = Flow {
    least_writes: 20,
    acts: &[Act {
        does: |stage| {
            stage.kill_manager();
            former_secrets::age(stage);
            stage.start_manager();
        },
        comes_to: "none of the former Secrets",
        done: |stage| stage.is_settled() && !former_secrets::are_left(stage),
    }],
};

pub const DELETION: Flow = Flow {
    least_writes: 8,
    acts: &[Act {
        does: |stage| stage.projects.delete(&tenant_id()),
        comes_to: "nothing",
        done: |stage| stage.tenant().is_none(),
    }],
};

/// Deleted, and nobody comes for what is left.
pub const RETIREMENT: Flow = Flow { least_writes: 8, acts: &[RETAINED] };

const RETAINED: Act = Act {
    does: |stage| {
        ask(stage, &json!({"deletionPolicy": "Retain"}));
        stage.projects.delete(&tenant_id());
    },
    comes_to: "what is retained",
    done: |stage| stage.tenant().is_none(),
};

/// Deleted, and created again.
pub const RETENTION: Flow = Flow {
    least_writes: 15,
    acts: &[
        RETAINED,
        Act {
            does: |stage| stage.create_tenant(&json!({"version": OLD})),
            comes_to: "the same plane",
            done: Stage::is_settled,
        },
    ],
};

fn ask(stage: &Stage, spec: &Value) {
    stage.projects.patch(&tenant_id(), &json!({ "spec": spec }));
}

fn of_plane(kind: &str, name: &str) -> Id {
    Id::new(Kind::named(kind), &Stage::plane(), name)
}

fn status(stage: &Stage, field: &str) -> Value {
    stage.tenant().unwrap_or_default()["status"][field].clone()
}

fn generation(stage: &Stage) -> Value {
    stage.tenant().unwrap_or_default()["metadata"]["generation"].clone()
}

/// As if the last one had been taken long ago.
fn make_a_snapshot_due(stage: &mut Stage) {
    let old = json!([{
        "name": "old", "time": "2020-01-01T00:00:00Z", "sizeBytes": 4128, "version": OLD,
        "reason": "scheduled",
    }]);
    let record = json!({"metadata": {"annotations": {labels::SNAPSHOTS: old.to_string()}}});
    stage.planes.patch(&Id::new(Kind::named("Namespace"), "", &Stage::plane()), &record);
}

/// The name of the last one.
fn snapshot(stage: &Stage) -> Option<String> {
    let snapshots = status(stage, "snapshots");
    snapshots.as_array()?.last()?["name"].as_str().map(str::to_owned)
}

//! What runs pods, and the Service before them.

use fastrand::Rng;
use serde_json::{Value, json};

use super::some;

/// Headless: which address a Service gets is no server's to repeat.
pub fn service(name: &str, dice: &mut Rng) -> Value {
    let offset = dice.u16(..2);
    let port = |number: u16| {
        json!({
            "name": format!("port-{number}"), "port": number, "protocol": "TCP",
            "targetPort": number + offset,
        })
    };
    let mut ports = vec![port(2379)];
    ports.extend(some(&[2380, 2381], dice).into_iter().map(port));
    json!({"spec": {
        "clusterIP": "None", "clusterIPs": ["None"], "type": "ClusterIP",
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
        "publishNotReadyAddresses": true,
        "ports": ports, "selector": {"app": name, "role": dice.u8(1..4).to_string()},
    }})
}

pub fn deployment(name: &str, replicas: u8, dice: &mut Rng) -> Value {
    json!({"spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
        },
        "template": template(name, dice),
    }})
}

pub fn stateful_set(name: &str, replicas: u8, dice: &mut Rng) -> Value {
    json!({"spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "revisionHistoryLimit": 10, "podManagementPolicy": "Parallel", "serviceName": name,
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 1, "partition": 0},
        },
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": template(name, dice),
    }})
}

fn template(name: &str, dice: &mut Rng) -> Value {
    let mut labels = json!({"app": name});
    if dice.bool() {
        labels["revision"] = json!(dice.u8(1..4).to_string());
    }
    let mut containers = vec![container("main", dice)];
    if dice.bool() {
        containers.push(container("beside", dice));
    }
    json!({
        "metadata": {"labels": labels},
        "spec": {
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            "securityContext": {"runAsUser": 1000 + u32::from(dice.u8(..3))},
            "containers": containers,
            "volumes": [{"name": "keys", "secret": {"secretName": "keys", "defaultMode": 416}}],
        },
    })
}

fn container(name: &str, dice: &mut Rng) -> Value {
    let mut environment: Vec<Value> = some(&["A", "B"], dice)
        .into_iter()
        .map(|name| json!({"name": name, "value": dice.u8(1..4).to_string()}))
        .collect();
    // An empty list would not be kept.
    environment.push(json!({"name": "C", "value": "always"}));
    json!({
        "name": name, "image": format!("image:{}", dice.u8(1..4)), "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "args": ["--v", dice.u8(1..4).to_string()],
        "env": environment,
        "resources": {"requests": {"cpu": "100m"}},
        "ports": [{"name": name, "containerPort": 80, "protocol": "TCP"}],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
    })
}

//! What the clusters looked like when a test failed.

use super::Project;
use super::kubectl::{each, name, text};
use crate::progress::say;

const LOG_LINES: &str = "--tail=40";

/// Prints it; what cannot be seen is left out with the reason.
pub fn print(project: &Project) {
    let (namespace, kubectl) = (project.name.as_str(), &project.management);
    let mut looks: Vec<Vec<&str>> = vec![
        vec!["get", "tnc,jointokens,secrets,events", "-n", namespace],
        vec![
            "get",
            "tnc",
            "-n",
            namespace,
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}: {.status}\n{end}",
        ],
        vec![
            "logs",
            "-n",
            "nagaya-system",
            "-l",
            "app.kubernetes.io/name=nagaya",
            "--prefix",
            LOG_LINES,
        ],
    ];
    let ours = format!("nagaya.dev/tenant-namespace={namespace}");
    let planes = kubectl.run(&["get", "namespaces", "-l", &ours, "-o", "name"]).unwrap_or_default();
    let planes: Vec<&str> = planes.lines().filter_map(|line| line.split('/').nth(1)).collect();
    for plane in &planes {
        looks.push(vec!["get", "pods,services,pvc,secrets", "-n", plane, "-o", "wide"]);
        looks.push(vec!["get", "events", "-n", plane, "--sort-by=.lastTimestamp"]);
    }
    let all = kubectl.list(&["pods", "--all-namespaces", "-l", &ours]).unwrap_or_default();
    for pod in &all {
        let containers = each(pod, "/status/containerStatuses");
        for container in containers.filter(|one| one["restartCount"] != 0) {
            let (plane, pod) = (text(pod, "/metadata/namespace"), name(pod));
            looks.push(vec![
                "logs",
                "-n",
                plane,
                pod,
                "-c",
                text(container, "/name"),
                "--previous",
                LOG_LINES,
            ]);
        }
    }
    for look in looks {
        let seen = kubectl.run(&look).unwrap_or_else(|failure| failure.to_string());
        say(&format!("--- kubectl {}\n{}", look.join(" "), seen.trim_end()));
    }
}

//! What the clusters looked like when a test failed.

use super::Project;
use crate::progress::say;

const LOG_LINES: &str = "--tail=40";

/// Prints it; what cannot be seen is left out with the reason.
pub fn print(project: &Project) {
    let (name, kubectl) = (project.name.as_str(), &project.management);
    let mut looks: Vec<Vec<&str>> = vec![
        vec!["get", "tnc,jointokens,secrets,events", "-n", name],
        vec![
            "get",
            "tnc",
            "-n",
            name,
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}: {.status}\n{end}",
        ],
        vec!["logs", "-n", "nagaya-system", "deployment/nagaya", LOG_LINES],
    ];
    let ours = format!("nagaya.dev/tenant-namespace={name}");
    let planes = kubectl.run(&["get", "namespaces", "-l", &ours, "-o", "name"]).unwrap_or_default();
    let planes: Vec<&str> = planes.lines().filter_map(|line| line.split('/').nth(1)).collect();
    for plane in &planes {
        looks.push(vec!["get", "pods,services,pvc,secrets", "-n", plane, "-o", "wide"]);
        looks.push(vec!["get", "events", "-n", plane, "--sort-by=.lastTimestamp"]);
    }
    for look in looks {
        let seen = kubectl.run(&look).unwrap_or_else(|failure| failure.to_string());
        say(&format!("--- kubectl {}\n{}", look.join(" "), seen.trim_end()));
    }
}

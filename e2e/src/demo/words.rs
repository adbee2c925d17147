//! What the demo says at its beginning and at its end.

use super::machine::MACHINE;
use crate::firewall;

/// The program that the commands below run, from the checkout.
const SANDBOX: &str = "cargo run -q -p e2e --bin sandbox --";

/// Of the web server's Service.
const PAGE: &str = "/api/v1/namespaces/default/services/web:80/proxy/";

/// What will happen, and what it takes.
pub fn introduction() -> String {
    "Nagaya runs Kubernetes control planes for tenants, who bring their own machines.\n\
     This demo does all of that on this machine, in namespaces of its own without a route outside:\n  \
       1. a management cluster, made by stock kubeadm\n  \
       2. Nagaya and its gateway, installed on it as a user would\n  \
       3. a tenant's control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler as pods\n  \
       4. a virtual machine (Debian 12 in qemu) that nothing but the tenant's user-data configures, that nobody\n     \
          can reach, and that joins with stock kubeadm, through the gateway\n  \
       5. a web page, served on that machine and fetched through the tunnel\n\
     The first time it builds Kubernetes, containerd and the rest from their Go modules into the cache,\n\
     which takes about half an hour on two cores; a second time takes minutes, and seconds when it is up."
        .to_owned()
}

/// The firewall's rules, and what they come to.
pub fn before_the_machine(rules: &str) -> String {
    let (rules, meaning) = (indented(rules), indented(&firewall::words()));
    format!(
        "The firewall on the link of {MACHINE}, outside of it (iptables -t mangle)\n{rules}{meaning}"
    )
}

/// Commands that work as they are printed, from the checkout.
pub fn next_commands() -> String {
    let commands = [
        ("The management cluster", format!("{SANDBOX} kubectl get pods -A")),
        ("Every tenant", format!("{SANDBOX} kubectl get tnc -A")),
        ("What one can set", format!("{SANDBOX} kubectl explain tnc.spec")),
        (
            "The tenant's kubeconfig",
            format!(
                "{SANDBOX} kubectl get secret -n acme demo-kubeconfig -o \
                 'go-template={{{{.data.value | base64decode}}}}' > demo.kubeconfig"
            ),
        ),
        (
            "The tenant's cluster",
            format!("{SANDBOX} kubectl --kubeconfig demo.kubeconfig get nodes,pods -A -o wide"),
        ),
        (
            "A log from the tenant's machine",
            format!("{SANDBOX} kubectl --kubeconfig demo.kubeconfig logs deployment/web --tail 5"),
        ),
        ("The user-data", format!("{SANDBOX} host exec {MACHINE} -- cloud-init query userdata")),
        ("The machine", format!("{SANDBOX} host exec {MACHINE} -- systemctl status kubelet")),
        (
            "The page, through the tunnel",
            format!("{SANDBOX} kubectl --kubeconfig demo.kubeconfig get --raw {PAGE}"),
        ),
        ("Remove it all", "make demo-down".to_owned()),
    ];
    let lines = commands.map(|(what, command)| format!("  # {what}\n  {command}"));
    format!("Try next:\n{}", lines.join("\n"))
}

/// A text, each line two blanks further in.
pub fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_among_what_to_try() {
        let words = next_commands();
        assert!(words.contains(&format!("get --raw {PAGE}\n")), "{words}");
        assert!(words.contains("'go-template={{.data.value | base64decode}}'"), "{words}");
    }
}

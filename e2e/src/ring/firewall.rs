//! A machine that nobody can reach, and that reaches nothing but the gateway.

use super::process::on_the_host;
use super::{Machine, Outcome, ensure, ensure_says};
use crate::install::GATEWAY_PORT;
use crate::network::{GATEWAY, MANAGEMENT_ADDRESS};

impl Machine {
    /// From outside nothing new comes in; to the outside nothing new goes but to the gateway's address and port, and to DNS. In the
    /// mangle table, before and after all that kube-proxy and the pod network do.
    ///
    /// # Errors
    /// The machine is off, or can be reached all the same.
    pub fn shut_off(&self) -> Outcome {
        let new = "-m conntrack --ctstate NEW,INVALID";
        let out = "iptables -w -t mangle -A POSTROUTING -o eth0";
        let script = [
            format!("iptables -w -t mangle -A PREROUTING -i eth0 {new} -j DROP"),
            format!("{out} -p tcp -d {MANAGEMENT_ADDRESS} --dport {GATEWAY_PORT} -j ACCEPT"),
            format!("{out} -p udp -d {GATEWAY} --dport 53 -j ACCEPT"),
            format!("{out} -p tcp -d {GATEWAY} --dport 53 -j ACCEPT"),
            format!("{out} {new} -j DROP"),
        ];
        self.run(&["sh", "-c", &script.join(" && ")])?;
        self.is_shut_off()
    }

    /// Fails unless it is as [`Self::shut_off`] made it.
    ///
    /// # Errors
    /// It can be reached, or reaches another port than the gateway's.
    pub fn is_shut_off(&self) -> Outcome {
        let inwards = on_the_host(&format!(
            "timeout 3 busybox nc {} 10250 < /dev/null; echo ended with $?",
            self.address()
        ))?;
        // `timeout` ended it: not even a refusal came back.
        ensure_says(&inwards, &["ended with 124"])?;
        let url = format!("https://{MANAGEMENT_ADDRESS}:6443/livez");
        let outwards = self.run(&["curl", "--silent", "--insecure", "--max-time", "3", &url]);
        ensure(outwards.is_err(), || format!("the machine reached {url}"))
    }
}

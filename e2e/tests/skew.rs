//! Machines of each minor beside control planes of each minor: what the doctor says of versions beforehand is what stock kubeadm
//! does. `docs/how-to/join-fails.md` has the same as a table.

use std::time::Duration;

use e2e::components::KUBERNETES_MINORS;
use e2e::progress::say;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Failure, JoinAttempt, JoinSecret, Kubectl, Machine, Outcome, Tenant, ensure_says, scenario,
};

const NODE_READY: Duration = Duration::from_mins(1);

/// What becomes of a machine whose kubeadm and kubelet are of one minor.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Joins,
    JoinsUnsupported,
    Refused,
}

impl Fate {
    fn of_one_newer_by(minors: usize) -> Self {
        match minors {
            0 => Self::Joins,
            1 => Self::JoinsUnsupported,
            _ => Self::Refused,
        }
    }

    /// The doctor's verdict on versions, and words of it.
    const fn foretold(self) -> (&'static str, &'static str) {
        match self {
            Self::Joins => ("passed", ""),
            Self::JoinsUnsupported => ("warning", "newer than the API server"),
            Self::Refused => ("failed", "joins clusters from"),
        }
    }
}

struct Cluster {
    minor: &'static str,
    admin: Kubectl,
    secret: JoinSecret,
}

#[test]
fn what_the_doctor_says_of_versions_is_what_kubeadm_does() -> Outcome {
    scenario("skew", |project| {
        let begin = |minor: &&'static str| {
            let name = format!("of-{}", minor.replace('.', "-"));
            Ok((*minor, Tenant::create(project, &name, &spec_for_namespaces(minor))?))
        };
        let tenants = KUBERNETES_MINORS.iter().map(begin).collect::<Outcome<Vec<_>>>()?;
        let ready = |(minor, tenant): &(&'static str, Tenant<'_>)| {
            tenant.await_ready()?;
            let secret = tenant.token(&format!("{}-nodes", tenant.name), "1h")?.secret()?;
            Ok(Cluster { minor, admin: tenant.admin()?, secret })
        };
        let clusters = tenants.iter().map(ready).collect::<Outcome<Vec<_>>>()?;
        for (newer, minor) in KUBERNETES_MINORS.iter().enumerate() {
            let machine = Machine::add(&format!("ring-skew-{}", minor.replace('.', "-")), minor)?;
            machine.install_doctor()?;
            for (older, cluster) in clusters.iter().enumerate() {
                let fate = Fate::of_one_newer_by(newer.saturating_sub(older));
                cluster.meets(&machine, fate)?;
                say(&format!("kubeadm and kubelet {minor}, cluster {}: {fate:?}", cluster.minor));
            }
        }
        Ok(())
    })
}

impl Cluster {
    fn meets(&self, machine: &Machine, fate: Fate) -> Outcome {
        machine.load_images(self.minor)?;
        let attempt = JoinAttempt::from(&self.secret);
        let (verdict, words) = fate.foretold();
        machine.diagnose(&attempt, &[])?.says("versions", verdict, words)?;
        match (machine.try_join(&attempt)?, fate) {
            (Ok(()), Fate::Joins | Fate::JoinsUnsupported) => {
                machine.await_ready(&self.admin, NODE_READY)?;
                machine.reset()
            }
            (Err(why), Fate::Refused) => ensure_says(&why, &["only supports", self.minor]),
            (joined, _) => Err(Failure::new(format!("it should be {fate:?}: {joined:?}"))),
        }
    }
}

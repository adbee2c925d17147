//! A tenant to break, and a machine that tries to join it.

use std::time::Duration;

use e2e::ring::{
    Failure, JoinAttempt, Kubectl, Look, Machine, Outcome, Project, Tenant, wait_until,
};

/// A tenant that is Ready, its administrator's kubectl, and a machine with a token.
pub struct Stage<'p> {
    pub tenant: Tenant<'p>,
    pub cluster: Kubectl,
    pub plane: String,
    pub machine: Machine,
    pub attempt: JoinAttempt,
}

impl<'p> Stage<'p> {
    pub fn set(project: &'p Project, number: usize) -> Outcome<Self> {
        let tenant = Tenant::ready(project, &format!("lane{number}"), "1.37")?;
        let secret = tenant.token(&format!("lane{number}"), "2h")?.secret()?;
        let machine = Machine::add(&format!("ring-lane{number}"), "1.37")?;
        let (cluster, plane) = (tenant.admin()?, tenant.plane()?);
        // What fails later, fails for what is broken, and not for the machine.
        machine.join(&secret)?;
        let stage = Self { tenant, cluster, plane, machine, attempt: JoinAttempt::from(&secret) };
        stage.reset_machine()?;
        Ok(stage)
    }

    /// `False` and `Unknown` are both not True.
    pub fn await_not_ready(&self, within: Duration) -> Outcome {
        wait_until(&format!("{} is no longer Ready", self.tenant.name), within, || {
            let ready = self.tenant.condition("Ready")?;
            Ok(Look::done_if(ready.status != "True", || format!("{ready:?}")))
        })
    }

    /// Waits until Ready has a reason.
    pub fn await_reason(&self, reason: &str, within: Duration) -> Outcome {
        wait_until(&format!("{} is not Ready for {reason}", self.tenant.name), within, || {
            let ready = self.tenant.condition("Ready")?;
            Ok(Look::done_if(ready.reason == reason, || format!("{ready:?}")))
        })
    }

    /// The machine is as new, and the tenant does not know it.
    pub fn reset_machine(&self) -> Outcome {
        self.machine.reset()?;
        // A tenant whose API server is gone cannot be asked, and then nothing has joined.
        let words = ["delete", "node", self.machine.name(), "--ignore-not-found"];
        let _ = self.cluster.run(&words);
        Ok(())
    }

    /// The management cluster.
    pub fn management(&self) -> &Kubectl {
        &self.tenant.project.management
    }

    /// The port of the endpoint.
    pub fn port(&self) -> Outcome<&str> {
        let port = self.attempt.endpoint.rsplit_once(':').map(|(_, port)| port);
        port.ok_or_else(|| Failure::new(format!("{} has no port", self.attempt.endpoint)))
    }
}

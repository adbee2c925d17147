//! A tenant that is in use: two nodes, fifty kinds of its own, a reader of the OpenAPI document; and what it holds half
//! an hour later. It rests while the rounds are measured.

use std::time::{Duration, Instant};

use super::figures::Figures;
use super::round::restarts;
use super::{MINOR, idle, pause};
use crate::progress::{say, step};
use crate::ring::{JoinToken, Machine, Outcome, Project, Tenant, kinds};

const NAME: &str = "used";
const MACHINES: [&str; 2] = ["bench-used-1", "bench-used-2"];
const KINDS: usize = 50;
const LIKE: &str = "jointokens.nagaya.dev";
const NODE_READY: Duration = Duration::from_mins(1);
const GONE: Duration = Duration::from_mins(1);

/// The tenant, since when nobody has asked anything of it, and its nodes, which end with this.
pub struct Used<'p> {
    tenant: Tenant<'p>,
    since: Instant,
    _machines: Vec<Machine>,
}

impl<'p> Used<'p> {
    /// Creates it and uses it.
    ///
    /// # Errors
    /// It does not get `Ready`, a node does not join, a kind is not served.
    pub fn begin(project: &'p Project) -> Outcome<Self> {
        let tenant = Tenant::ready(project, NAME, MINOR)?;
        let secret = tenant.token(NAME, "1h")?.secret()?;
        let cluster = tenant.admin()?;
        let join = |name| {
            let machine = Machine::add(name, MINOR)?;
            machine.join(&secret)?;
            machine.await_ready(&cluster, NODE_READY)?;
            Ok(machine)
        };
        let machines = MACHINES.into_iter().map(join).collect::<Outcome<_>>()?;
        kinds::create(&cluster, KINDS, LIKE)?;
        step("its OpenAPI document", || cluster.run(&["get", "--raw", "/openapi/v2"]).map(drop))?;
        Ok(Self { tenant, since: Instant::now(), _machines: machines })
    }

    /// Reads its memory once it has rested for `rest`, and removes it.
    ///
    /// # Errors
    /// A cgroup cannot be read, or it does not go.
    pub fn end(self, rest: Duration, figures: &mut Figures) -> Outcome {
        let left = rest.saturating_sub(self.since.elapsed());
        say(&format!("The tenant that was in use rests for {} s more", left.as_secs()));
        pause(left)?;
        figures.tenant_anon_used.push(idle::memory(&self.tenant.plane()?)?.anonymous_mib());
        figures.restarts += restarts(&self.tenant)?;
        let project = self.tenant.project;
        JoinToken { project, name: NAME.to_owned() }.delete()?;
        self.tenant.delete()?;
        self.tenant.await_gone(GONE)
    }
}

//! Takes the Lease, keeps it, and gives it back at the end.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use super::election::{Election, Step, holder};
use super::{Fence, LEASE, RETRY_PERIOD, Term};

/// One request for the Lease may take so long: another one still fits into a term.
const ATTEMPT: Duration = Duration::from_secs(5);

/// This process as a candidate. Clones are the same candidate.
#[derive(Clone)]
pub struct Leadership {
    identity: String,
    term: Term,
    leases: Api<Lease>,
}

/// Why a leader stopped being one. The process has to end: what it believes may be out of date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another manager leads.
    #[error("the Lease {LEASE} was taken by {0}; this manager ends")]
    Taken(String),
    /// The API server did not take a renewal in time, or this process did not run.
    #[error("the Lease {LEASE} was not renewed in time ({0}); this manager ends")]
    NotRenewed(String),
}

/// Why it is not certain that this manager leads.
#[derive(Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// By its own clock it does not.
    #[error("this manager does not hold the Lease {LEASE}")]
    NotHeld,
    /// The Lease names somebody else.
    #[error("the Lease {LEASE} is held by {}", if .0.is_empty() { "nobody" } else { .0 })]
    HeldBy(String),
    /// The API server does not say.
    #[error("cannot read the Lease {LEASE}: {0}")]
    Unknown(String),
}

enum Attempt {
    Held(Box<Lease>),
    HeldBy { holder: String, look_again: Duration },
}

impl Leadership {
    /// The candidate `identity` for the Lease in `namespace`; `term` is what its clients are fenced with.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: String, term: Term) -> Self {
        Self { identity, term, leases: Api::namespaced(client, namespace) }
    }

    /// What every client of this process is to be fenced with.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence::new(self.term.clone())
    }

    /// Whether this manager leads, by its own clock: what it sends now cannot come after a successor's.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.term.is_on()
    }

    /// Looks at the Lease itself. To be asked before what no precondition protects and cannot be undone.
    ///
    /// # Errors
    /// [`NotConfirmed`]: do not act.
    pub async fn confirm(&self) -> Result<(), NotConfirmed> {
        let unknown = |why: String| NotConfirmed::Unknown(why);
        let read = timeout(ATTEMPT, self.leases.get(LEASE)).await;
        let lease = read
            .map_err(|_| unknown(format!("no answer within {} s", ATTEMPT.as_secs())))?
            .map_err(|error| unknown(error.to_string()))?;
        let holder = lease.spec.as_ref().and_then(holder).unwrap_or_default();
        if holder != self.identity {
            return Err(NotConfirmed::HeldBy(holder.to_owned()));
        }
        // After the answer: it may have taken longer than the term.
        if self.is_held() { Ok(()) } else { Err(NotConfirmed::NotHeld) }
    }

    /// Waits until this manager leads, then does `work` until `stop`, and releases the Lease.
    ///
    /// # Errors
    /// [`Lost`]: `work` was dropped in the middle.
    pub async fn lead(
        &self,
        stop: impl Future<Output = ()>,
        work: impl Future<Output = ()>,
    ) -> Result<(), Lost> {
        let mut election = Election::new(self.identity.clone());
        tokio::pin!(stop);
        let mut mine = tokio::select! {
            mine = self.acquire(&mut election) => mine,
            () = &mut stop => return Ok(()),
        };
        tracing::info!(identity = self.identity, "this manager leads");
        let lost = tokio::select! {
            lost = self.keep(&mut election, &mut mine) => Err(lost),
            () = work => Ok(()),
            () = stop => Ok(()),
        };
        if lost.is_ok() && self.is_held() {
            self.term.end();
            self.release(&mine).await;
        }
        self.term.end();
        lost
    }

    async fn acquire(&self, election: &mut Election) -> Lease {
        let (mut last_seen, mut last_failure) = (String::new(), String::new());
        loop {
            let pause = match self.attempt(election, None, ATTEMPT).await {
                Ok(Attempt::Held(mine)) => return *mine,
                Ok(Attempt::HeldBy { holder, look_again }) => {
                    if holder != last_seen {
                        tracing::info!(leader = holder, "this manager stands by");
                        last_seen = holder;
                    }
                    look_again
                }
                Err(why) => {
                    if why != last_failure {
                        tracing::warn!(why, "cannot take the Lease {LEASE}");
                        last_failure = why;
                    }
                    RETRY_PERIOD
                }
            };
            sleep(pause).await;
        }
    }

    async fn keep(&self, election: &mut Election, mine: &mut Lease) -> Lost {
        let mut known = true;
        let mut trouble = "this process stood still".to_owned();
        loop {
            sleep(RETRY_PERIOD.min(self.term.left())).await;
            if !self.is_held() {
                return Lost::NotRenewed(trouble);
            }
            let known_lease = Some(&*mine).filter(|_| known);
            match self.attempt(election, known_lease, ATTEMPT.min(self.term.left())).await {
                Ok(Attempt::Held(renewed)) => {
                    *mine = *renewed;
                    known = true;
                    "this process stood still".clone_into(&mut trouble);
                }
                Ok(Attempt::HeldBy { holder, .. }) => return Lost::Taken(holder),
                Err(why) => {
                    tracing::warn!(why, "cannot renew the Lease {LEASE}");
                    trouble = why;
                    known = false;
                }
            }
        }
    }

    /// One try to take or renew. `known`: as the Lease was when we wrote it, which saves reading it.
    /// One that names us though we have just started is of a process that this pod had before.
    async fn attempt(
        &self,
        election: &mut Election,
        known: Option<&Lease>,
        within: Duration,
    ) -> Result<Attempt, String> {
        let work = async {
            let live = match known {
                Some(known) => Some(known.clone()),
                None => self.leases.get_opt(LEASE).await?,
            };
            let sent = self.term.now();
            let params = PostParams::default();
            let written = match election.step(live.as_ref(), sent, Timestamp::now()) {
                Step::Create(lease) => self.leases.create(&params, &lease).await?,
                Step::Update(lease) => self.leases.replace(LEASE, &params, &lease).await?,
                Step::Wait(look_again) => {
                    let holder = live.and_then(|lease| lease.spec?.holder_identity);
                    let holder = holder.unwrap_or_default();
                    return Ok(Attempt::HeldBy { holder, look_again });
                }
            };
            self.term.renewed(sent);
            Ok(Attempt::Held(Box::new(written)))
        };
        match timeout(within, work).await {
            Ok(done) => done.map_err(|error: kube::Error| error.to_string()),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }

    async fn release(&self, mine: &Lease) {
        let released = Election::released(mine, Timestamp::now());
        let params = PostParams::default();
        match timeout(ATTEMPT, self.leases.replace(LEASE, &params, &released)).await {
            Ok(Ok(_)) => tracing::info!("released the Lease {LEASE}"),
            Ok(Err(error)) => tracing::warn!(%error, "cannot release the Lease {LEASE}"),
            Err(_) => tracing::warn!("cannot release the Lease {LEASE}: no answer"),
        }
    }
}

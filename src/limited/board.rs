//! Who is told that he is limited, and for how long. A status is written at most once a minute for it, whatever comes and
//! goes at the gateway: what is said begins at once, stays as it is for a minute, does not end for another one, and ends a
//! minute after a gateway has said it last, which does so for a minute itself.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::reflector::ObjectRef;
use nagaya_api::TenantCluster;
use nagaya_render::limited::{Limits, verdict};
use nagaya_render::status::Verdict;
use tokio::time::Instant;

/// What is said stays as it is for so long, twice as long before it ends, and once after it was heard last.
const HELD: Duration = Duration::from_mins(1);
/// So many tenants are woken after one round: a gateway that calls everybody limited costs no more.
const MOST_WOKEN: usize = 50;

type Tenant = ObjectRef<TenantCluster>;

/// Who is told what.
#[derive(Default)]
pub(super) struct Board {
    told: HashMap<Tenant, Told>,
    /// Each once.
    to_wake: VecDeque<Tenant>,
    /// When the first round was over.
    since: Option<Instant>,
}

/// What the gateway's pods say of one tenant.
pub(super) struct Heard {
    plane: String,
    /// What it has met.
    pub(super) limits: Limits,
}

struct Told {
    verdict: Verdict,
    /// Empty: another manager said it.
    limits: Limits,
    said: Instant,
    heard: Instant,
}

impl Heard {
    /// Of the tenant whose control plane is in that namespace; nothing yet.
    pub(super) fn in_plane(plane: String) -> Self {
        Self { plane, limits: Limits::new() }
    }
}

impl Board {
    /// A round is over; tells who is to be woken.
    pub(super) fn hear(&mut self, heard: HashMap<Tenant, Heard>, now: Instant) -> Vec<Tenant> {
        self.since.get_or_insert(now);
        let held = |since: Instant| now.duration_since(since) < HELD;
        for (tenant, Heard { plane, limits }) in heard {
            if let Some(told) = self.told.get_mut(&tenant) {
                told.heard = now;
                if told.limits == limits || held(told.said) {
                    continue;
                }
            }
            let verdict = verdict(&limits, &plane);
            wake(&mut self.to_wake, &tenant);
            self.told.insert(tenant, Told { verdict, limits, said: now, heard: now });
        }
        let to_wake = &mut self.to_wake;
        self.told.retain(|tenant, told| {
            let stays = held(told.heard) || now.duration_since(told.said) < 2 * HELD;
            if !stays {
                wake(to_wake, tenant);
            }
            stays
        });
        let count = self.to_wake.len().min(MOST_WOKEN);
        self.to_wake.drain(..count).collect()
    }

    /// What is said of a tenant. A manager that has just started knows of nobody: what its predecessor said stays for as
    /// long as if it had just been heard.
    pub(super) fn of(
        &mut self,
        tenant: &Tenant,
        before: Option<&Condition>,
        now: Instant,
    ) -> Option<Verdict> {
        if let Some(told) = self.told.get(tenant) {
            return Some(told.verdict.clone());
        }
        let is_new = self.since.is_none_or(|since| now.duration_since(since) < HELD);
        let verdict = Verdict::of(before.filter(|_| is_new)?);
        let told = Told { verdict: verdict.clone(), limits: Limits::new(), said: now, heard: now };
        self.told.insert(tenant.clone(), told);
        Some(verdict)
    }

    /// The tenant is gone.
    pub(super) fn forget(&mut self, tenant: &Tenant) {
        self.told.remove(tenant);
        self.to_wake.retain(|other| other != tenant);
    }
}

fn wake(to_wake: &mut VecDeque<Tenant>, tenant: &Tenant) {
    if !to_wake.contains(tenant) {
        to_wake.push_back(tenant.clone());
    }
}

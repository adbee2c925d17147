//! What happens in a story, out of its seed: what the user asks for, and what befalls manager and cluster meanwhile.

use std::time::Duration;

use fastrand::Rng;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// What a user asks for, as far as stories change it.
#[allow(clippy::struct_excessive_bools, reason = "each is a field of the spec, set or not")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// The newer of two versions.
    pub newer: bool,
    /// API servers beyond the first.
    pub more_api_servers: u8,
    /// Members of etcd: 1 and twice this.
    pub more_members: u8,
    /// Another name for the endpoint.
    pub extra_name: bool,
    /// Something for the kubelets.
    pub kubelet: bool,
    /// Another quota of etcd.
    pub quota: bool,
    /// Nothing is to be applied.
    pub paused: bool,
    /// Keys and data stay when it is deleted.
    pub retain: bool,
    /// Cannot be served.
    pub mistake: Option<Mistake>,
}

/// A spec that the schema lets pass and the manager refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistake {
    NoSuchVersion,
    NoName,
    NotOurDomain,
}

pub const OLD: &str = "v1.36.3";
pub const NEW: &str = "v1.37.1";

impl Wish {
    /// The spec, with `null` for all that a wish of before may have set.
    pub fn spec(self) -> Value {
        let version = match self.mistake {
            Some(Mistake::NoSuchVersion) => "v1.99.0",
            _ if self.newer => NEW,
            _ => OLD,
        };
        let names = match self.mistake {
            Some(Mistake::NoName) => json!(["Not_A_Name"]),
            _ if self.extra_name => json!(["api.example.com"]),
            _ => Value::Null,
        };
        let kubelet = match self.mistake {
            Some(Mistake::NotOurDomain) => json!({"clusterDomain": "elsewhere", "maxPods": null}),
            _ if self.kubelet => json!({"clusterDomain": null, "maxPods": 50}),
            _ => Value::Null,
        };
        json!({
            "version": version,
            "controlPlane": {"replicas": 1 + self.more_api_servers},
            "etcd": {
                "replicas": 1 + 2 * self.more_members,
                "quota": if self.quota { json!("512Mi") } else { Value::Null },
            },
            "expose": {"extraNames": names},
            "kubelet": kubelet,
            "paused": self.paused,
            "deletionPolicy": if self.retain { "Retain" } else { "Delete" },
            // When one is taken depends on the way.
            "snapshots": {"suspend": true},
        })
    }
}

/// What stories end with. Few, for each is played twice without faults to know its end.
const LAST: [Wish; 4] = {
    let plain = Wish {
        newer: false,
        more_api_servers: 0,
        more_members: 0,
        extra_name: false,
        kubelet: false,
        quota: false,
        paused: false,
        retain: false,
        mistake: None,
    };
    [
        plain,
        Wish { more_api_servers: 1, extra_name: true, ..plain },
        Wish { more_members: 1, kubelet: true, ..plain },
        Wish { quota: true, ..plain },
    ]
};

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user creates the tenant.
    Create(Wish),
    /// The user changes its spec.
    Ask(Wish),
    /// The user deletes it, and waits until it is gone before anything else if `true`.
    Delete(bool),
    /// The manager has seen that the tenant is there.
    Seen,
    /// The manager is killed, and started again.
    Restart,
    /// The manager is killed right after its next write but so many.
    RestartAfterWrite(usize),
    /// Another manager waits, and takes over from one that is killed.
    TakeOver,
    /// Another manager takes over from one that stands still in the middle of a write, and goes on later.
    Freeze,
    /// Somebody deletes an object of ours.
    Hand(&'static str, &'static str),
    /// The API server answers nobody.
    Outage(Duration),
    /// From now on the managers' clocks are wrong by so much.
    Clock(SignedDuration),
    /// Nothing happens for a while.
    Wait(Duration),
}

/// What somebody may delete by mistake, and Nagaya makes again.
const HANDS: [(&str, &str); 8] = [
    ("Deployment", "kube-apiserver"),
    ("StatefulSet", "etcd"),
    ("StatefulSet", "kube-scheduler"),
    ("Service", "etcd-client"),
    ("Service", "kube-apiserver"),
    ("ConfigMap", "etcd-state"),
    ("ConfigMap", "kube-apiserver-authentication"),
    ("RoleBinding", "nagaya-manager"),
];

/// By so many hours a clock is wrong: one that is in another zone, or lost its battery.
const WRONG: [i64; 4] = [-24 * 400, -9, 9, 24 * 400];

/// A story.
#[derive(Clone, Debug)]
pub struct Plot {
    pub seed: u64,
    /// It begins with a tenant that is Ready, asked for by the wish that asks for nothing special.
    pub born: bool,
    /// So many of a thousand requests fail.
    pub per_mille: u32,
    pub steps: Vec<Step>,
    /// What is asked for at the end; `None`: the tenant is deleted.
    pub last: Option<Wish>,
}

impl Plot {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let born = dice.u8(..3) > 0;
        let mut teller = Teller {
            wish: Wish::default(),
            exists: born,
            has_keys: born,
            may_be_kept: false,
            ahead: SignedDuration::ZERO,
            steps: Vec::new(),
        };
        if !born {
            teller.create(&mut dice);
        }
        for _ in 0..dice.usize(2..8) {
            teller.go_on(&mut dice);
            teller.wait(&mut dice);
        }
        let last = (dice.u8(..8) > 0).then(|| teller.last_wish(&mut dice));
        match last {
            Some(wish) if teller.exists => teller.steps.push(Step::Ask(wish)),
            Some(wish) => teller.comes(wish),
            None => teller.forget(&mut dice),
        }
        let per_mille = *dice.choice(&[0, 20, 60, 150]).unwrap_or(&0);
        Self { seed, born, per_mille, steps: teller.steps, last }
    }
}

struct Teller {
    wish: Wish,
    exists: bool,
    /// From before any clock was wrong: a CA that is not valid yet is not replaced, but waited for.
    has_keys: bool,
    /// A tenant that was deleted may have left its keys and data; one that came after and went before the manager had
    /// seen it has not taken them along.
    may_be_kept: bool,
    /// By so much the clocks are wrong.
    ahead: SignedDuration,
    steps: Vec<Step>,
}

impl Teller {
    fn go_on(&mut self, dice: &mut Rng) {
        let step = match dice.u8(..21) {
            0..8 if self.exists => {
                self.wish = self.next_wish(dice);
                Step::Ask(self.wish)
            }
            8..10 if self.exists => {
                (self.exists, self.has_keys) = (false, false);
                self.may_be_kept |= self.wish.retain;
                Step::Delete(dice.bool())
            }
            10..13 => Step::RestartAfterWrite(dice.usize(1..12)),
            13 => Step::Restart,
            14 => Step::TakeOver,
            15 => Step::Freeze,
            16..18 if self.exists => {
                let (kind, name) = HANDS[dice.usize(..HANDS.len())];
                Step::Hand(kind, name)
            }
            18 => Step::Outage(Duration::from_millis(dice.u64(100..20_000))),
            19 if self.has_keys => {
                self.ahead = SignedDuration::from_hours(*dice.choice(&WRONG).unwrap_or(&0));
                Step::Clock(self.ahead)
            }
            _ if !self.exists => return self.create(dice),
            _ => return,
        };
        self.steps.push(step);
    }

    fn create(&mut self, dice: &mut Rng) {
        let begun = Wish { newer: self.kept_version(), ..Wish::default() };
        self.wish = begun;
        self.wish = self.next_wish(dice);
        self.exists = true;
        self.comes(self.wish);
    }

    /// CAs that are made now have to be valid when the clock is right again: with those of a clock that was ahead nobody
    /// can go on before their time comes.
    fn comes(&mut self, wish: Wish) {
        if !self.ahead.is_zero() {
            self.ahead = SignedDuration::ZERO;
            self.steps.push(Step::Clock(self.ahead));
        }
        self.steps.push(Step::Create(wish));
    }

    /// What was retained does not go back either.
    fn kept_version(&self) -> bool {
        self.wish.newer && self.may_be_kept
    }

    fn wait(&mut self, dice: &mut Rng) {
        let longest = *dice.choice(&[1, 100, 1500, 6000, 20_000]).unwrap_or(&1);
        self.steps.push(Step::Wait(Duration::from_millis(dice.u64(..longest))));
    }

    fn next_wish(&self, dice: &mut Rng) -> Wish {
        let mut next = Wish { mistake: None, ..self.wish };
        for _ in 0..dice.u8(1..3) {
            match dice.u8(..10) {
                0 => next.newer = true,
                1 => next.more_api_servers = dice.u8(..3),
                2 => next.more_members = dice.u8(..3),
                3 => next.extra_name = dice.bool(),
                4 => next.kubelet = dice.bool(),
                5 => next.quota = dice.bool(),
                6 => next.paused = dice.bool(),
                7 => next.retain = dice.bool(),
                _ => {
                    let all = [Mistake::NoSuchVersion, Mistake::NoName, Mistake::NotOurDomain];
                    next.mistake = dice.choice(&all).copied();
                }
            }
        }
        next
    }

    fn last_wish(&self, dice: &mut Rng) -> Wish {
        let last = LAST[dice.usize(..LAST.len())];
        let newer = dice.bool() || if self.exists { self.wish.newer } else { self.kept_version() };
        Wish { newer, ..last }
    }

    /// Deleted for good, with all that it had.
    fn forget(&mut self, dice: &mut Rng) {
        // One that is paused from birth is never held.
        let paused = self.wish.paused && !self.may_be_kept;
        // Neither is one that was refused from birth.
        let refused = self.may_be_kept && self.wish.mistake.is_some();
        let is_asked = self.wish.retain || self.wish.paused != paused || refused;
        self.wish = Wish { retain: false, mistake: None, paused, ..self.wish };
        match (self.exists, self.may_be_kept) {
            (true, _) if is_asked => self.steps.push(Step::Ask(self.wish)),
            (true, _) => {}
            (false, true) => self.comes(self.wish),
            (false, false) => return,
        }
        if self.may_be_kept {
            self.steps.push(Step::Seen);
        }
        self.steps.push(Step::Delete(dice.bool()));
    }
}

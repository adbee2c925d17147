//! The few verbs that everything which talks to Kubernetes is made of, a file each.
//!
//! They share three rules. A write that would change nothing is not made: steady state costs no writes.
//! An object that is not ours is never touched ([`ownership`]). What was decided about one object is done
//! to that object and in that state: every change of something that was seen carries its UID and resourceVersion, but for
//! what is ended in order, which goes by UID ([`delete_with_grace`]).

mod altered;
pub mod annotate;
pub mod apply;
pub mod backoff;
pub mod clients;
mod contest;
pub mod contests;
pub mod count_requests;
pub mod create_once;
pub mod delete;
mod error;
pub mod events;
pub mod finalizer;
mod fingerprint;
pub mod get;
mod mutators;
pub mod owned_fields;
pub mod ownership;
pub mod patch_status;
mod reread;
mod yielded;

pub use annotate::annotate;
pub use apply::{Applied, apply, apply_in_project, is_there, take_over};
pub use backoff::Backoff;
pub use clients::Clients;
pub use contests::{Contests, Tried};
pub use create_once::{Created, create_once};
pub use delete::{delete, delete_with_grace};
pub use error::Error;
pub use events::Events;
pub use fingerprint::{Fingerprint, Fingerprints};
pub use get::{get, list};
pub use patch_status::patch_status;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a Kubernetes object has to be able to do to be applied, created or deleted here.
pub trait Object: kube::Resource + Serialize + DeserializeOwned + Clone + std::fmt::Debug {}

impl<K> Object for K where K: kube::Resource + Serialize + DeserializeOwned + Clone + std::fmt::Debug
{}

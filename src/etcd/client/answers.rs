//! What etcd's members answer, as JSON.

use nagaya_render::membership::Store;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What a member says of itself (`StatusResponse`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MemberStatus {
    pub(super) header: Header,
    #[serde(deserialize_with = "number")]
    pub(super) leader: u64,
    #[serde(deserialize_with = "number")]
    pub(super) db_size: u64,
    #[serde(deserialize_with = "number")]
    pub(super) db_size_in_use: u64,
    #[serde(deserialize_with = "number")]
    pub(super) db_size_quota: u64,
    #[serde(deserialize_with = "number")]
    pub(super) raft_applied_index: u64,
    pub(super) errors: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub(super) cluster_id: u64,
    #[serde(deserialize_with = "number")]
    pub(super) member_id: u64,
    #[serde(deserialize_with = "number")]
    pub(super) revision: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct MemberList {
    #[serde(default)]
    pub(super) members: Vec<ListedMember>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedMember {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: u64,
    #[serde(rename = "peerURLs", default)]
    pub(super) peer_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    pub(super) learner: bool,
}

impl MemberStatus {
    /// It follows a leader. A full database (the alarm NOSPACE is an error here too) is another matter.
    pub(super) fn is_healthy(&self) -> bool {
        self.leader != 0
    }

    pub(super) fn store(&self, ordinal: u8) -> Store {
        Store {
            ordinal,
            size: self.db_size,
            in_use: self.db_size_in_use,
            quota: self.db_size_quota,
            applied: self.raft_applied_index,
        }
    }

    pub(super) fn has_no_space(&self) -> bool {
        self.errors.iter().any(|error| error.contains("NOSPACE"))
    }
}

/// The alarms that are raised (`AlarmResponse`).
#[derive(Debug, Deserialize)]
pub(super) struct Alarms {
    #[serde(default)]
    pub(super) alarms: Vec<Alarm>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alarm {
    #[serde(rename = "memberID", default, deserialize_with = "number")]
    pub(super) member: u64,
    #[serde(rename = "alarm", default)]
    pub(super) kind: String,
}

/// 64-bit numbers are texts in protobuf's JSON.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

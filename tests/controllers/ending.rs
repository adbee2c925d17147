//! How a run ends, in a form in which runs can be compared: every field of every object, under names that do not
//! depend on what happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::memory_api::{Id, MemoryApi, owned_fields};
use crate::stage::{PROJECT, Stage};

/// Of all UIDs that the API server in memory gives away.
const UID: &str = "00000000-0000-4000-8000-";
const UID_DIGITS: usize = 12;
/// Stands for the id of the token that signs cluster-info.
const TOKEN: &str = "(token)";
const FIRST_PORT: &str = "30000";
/// They tell when, how often or to whom something happened on the way.
const OF_THE_WAY: [&str; 6] = [
    "lastTransitionTime",
    "observedGeneration",
    "applied-digest",
    "f:touched",
    "/retained",
    "/tenant-uid",
];

/// Everything there is: the fields of each object.
#[derive(Clone, Debug, PartialEq)]
pub struct End(BTreeMap<String, Fields>);

/// By path. A pod has one without a path: that it is there.
type Fields = BTreeMap<String, Value>;
/// The name of an object, and a path in it.
type Field = (String, String);

impl End {
    /// The end of a run that is over.
    pub fn of(stage: &Stage) -> Self {
        let mut objects = BTreeMap::new();
        let (token, gone) = (token_id(stage), stage.tenant().is_none());
        for (place, api) in [("", &stage.planes), ("inside, ", &stage.inside)] {
            let names = Names::of(api, &token);
            for (id, object) in api.everything() {
                if ends_by_itself(&id, &object) || (gone && is_of_the_project(&id)) {
                    continue;
                }
                let name = format!("{place}{id}").replace(&token, TOKEN);
                // A pod is as its template was when it came.
                let fields = match id.kind {
                    "Pod" => Fields::from([(String::new(), Value::Null)]),
                    _ => names.fields(&object),
                };
                objects.insert(name, fields);
            }
        }
        Self(objects)
    }

    /// Fields that differ between two runs.
    fn against(&self, other: &Self) -> BTreeSet<Field> {
        let mut differ = BTreeSet::new();
        for name in self.0.keys().chain(other.0.keys()) {
            let (ours, theirs) = (self.0.get(name), other.0.get(name));
            if ours == theirs {
                continue;
            }
            let paths = ours.into_iter().chain(theirs).flat_map(BTreeMap::keys);
            let value =
                |fields: Option<&Fields>, path| fields.and_then(|all| all.get(path)).cloned();
            let paths = paths.filter(|path| value(ours, *path) != value(theirs, *path));
            differ.extend(paths.map(|path| (name.clone(), path.clone())));
        }
        differ
    }

    fn field(&self, (name, path): &Field) -> Option<&Value> {
        self.0.get(name)?.get(path)
    }
}

/// What looks whether nodes could join leaves things behind if it is killed, and the tenant's kube-controller-manager
/// clears them away.
fn ends_by_itself(id: &Id, object: &Value) -> bool {
    id.kind == "CertificateSigningRequest"
        || (id.kind == "Secret" && object["data"].get("expiration").is_some())
}

/// As the Secret of a token that ends by itself, by which cluster-info is signed as long as it is there.
fn is_of_another_token(path: &str) -> bool {
    path.contains("f:jws-kubeconfig-") && !path.contains(TOKEN)
}

/// The manager's rights in a project outlast the tenants for which it has taken them.
fn is_of_the_project(id: &Id) -> bool {
    id.kind == "RoleBinding" && id.namespace == PROJECT
}

/// A word that is nowhere if there is none.
fn token_id(stage: &Stage) -> String {
    let secret = stage.planes.get("Secret", &Stage::plane(), "signing-token");
    let token = secret.as_ref().and_then(|secret| secret["data"]["token"].as_str());
    let token = token.map(|token| String::from_utf8(STANDARD.decode(token).unwrap()).unwrap());
    token.map_or(TOKEN.to_owned(), |token| token.split('.').next().unwrap().to_owned())
}

/// How a run without faults ends.
#[derive(Debug)]
pub struct Expected {
    end: End,
    /// Fields with another value in each run: keys, and what depends on them.
    vary: BTreeSet<Field>,
}

impl Expected {
    /// Out of two runs of the same.
    pub fn of(one: End, other: &End) -> Self {
        let vary = one.against(other);
        let both = |field: &&Field| one.field(field).is_some() && other.field(field).is_some();
        assert_eq!(vary.iter().find(|field| !both(field)), None, "it is there only in one run");
        Self { end: one, vary }
    }

    /// What is not as it was expected to be, a line each.
    pub fn differences(&self, end: &End) -> Vec<String> {
        let varies = |field: &Field| {
            self.vary.contains(field)
                && self.end.field(field).is_some()
                && end.field(field).is_some()
        };
        let value = |of: Option<&Value>| of.map_or("nothing".to_owned(), Value::to_string);
        let all = self.end.against(end).into_iter().filter(|field| !varies(field));
        all.map(|field| {
            let (found, expected) = (value(end.field(&field)), value(self.end.field(&field)));
            format!("{}: {}: {found}, not {expected}", field.0, field.1)
        })
        .collect()
    }
}

/// Names for what was given out in the order in which it was asked for.
struct Names<'a> {
    uids: BTreeMap<String, Id>,
    /// The longest first: one may begin like another.
    addresses: Vec<(String, String)>,
    ports: Vec<String>,
    token: &'a str,
}

impl<'a> Names<'a> {
    fn of(api: &MemoryApi, token: &'a str) -> Self {
        let uids = api.pick(|id, object| {
            let uid = object["metadata"]["uid"].as_str()?;
            Some((uid.strip_prefix(UID)?.to_owned(), id.clone()))
        });
        let mut addresses = api.pick(|id, object| {
            let address = object["spec"]["clusterIP"].as_str()?.to_owned();
            (address != "None").then(|| (address, format!("(address of {id})")))
        });
        addresses.sort_by_key(|(address, _)| std::cmp::Reverse(address.len()));
        let ports = api.pick(|_, object| {
            let port = object["spec"]["ports"][0]["nodePort"].as_u64()?.to_string();
            (port != FIRST_PORT).then_some(port)
        });
        Self { uids: uids.into_iter().collect(), addresses, ports, token }
    }

    /// Every field of an object that does not tell of the way.
    fn fields(&self, object: &Value) -> Fields {
        let of_the_way = |last: &str| OF_THE_WAY.iter().any(|one| last.ends_with(one));
        let all = owned_fields(object).into_iter();
        let all =
            all.filter(|(path, _)| path.steps().next_back().is_none_or(|last| !of_the_way(last)));
        let all = all.map(|(path, value)| (self.told(path.to_string()), self.value(value)));
        all.filter(|(path, _)| !is_of_another_token(path)).collect()
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.told(text.clone())),
            // A port, perhaps.
            Value::Number(number) => {
                let text = number.to_string();
                serde_json::from_str(&self.told(text)).unwrap()
            }
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, _)| (self.told(name.clone()), self.value(value));
                members.iter().map(member).collect()
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// Looks before it replaces: most texts have nothing of it.
    fn told(&self, mut text: String) -> String {
        if text.contains(UID) {
            text = self.with_owners(&text);
        }
        let addresses =
            self.addresses.iter().map(|(address, name)| (address.as_str(), name.as_str()));
        let ports = self.ports.iter().map(|port| (port.as_str(), FIRST_PORT));
        for (given, name) in [(self.token, TOKEN)].into_iter().chain(addresses).chain(ports) {
            if text.contains(given) {
                text = text.replace(given, name);
            }
        }
        text
    }

    fn with_owners(&self, text: &str) -> String {
        let mut parts = text.split(UID);
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (uid, rest) = part.split_at(UID_DIGITS);
            let name = self.uids.get(uid).map_or("nobody".to_owned(), Id::to_string);
            let _ = write!(told, "(UID of {name}){rest}");
        }
        told
    }
}

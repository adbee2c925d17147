//! Looks up which mutating webhooks and policies the API server asks about an update of ours.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::{ObjectList, Request, Status};
use kube::{Api, Client, ResourceExt as _};
use nagaya_render::diagnosis::mutators::{Binding, Mutators, Policy, Update, who};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Error, is_status};
use super::{Object, get};

const GROUP: &str = "admissionregistration.k8s.io";
/// Policies are in the first since Kubernetes 1.36, in the others before, where their gates are open.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

type Labels = BTreeMap<String, String>;

/// Who changes `live` when `wanted` is applied to it, in words; where that cannot be told, why not.
pub async fn of_update<K: Object>(api: &Api<K>, live: &K, wanted: &Value) -> String
where
    K::DynamicType: Default,
{
    let found = look_up(api, live, wanted).await;
    who(&found.map_err(|error| {
        tracing::warn!(%error, "cannot see which webhook or policy changes an object of ours");
        error.to_string()
    }))
}

async fn look_up<K: Object>(api: &Api<K>, live: &K, wanted: &Value) -> Result<Vec<String>, Error>
where
    K::DynamicType: Default,
{
    let client = api.clone().into_client();
    let (configurations, policies, bindings, namespace) = tokio::try_join!(
        list::<MutatingWebhookConfiguration>(&client, "mutatingwebhookconfigurations"),
        list::<Policy>(&client, "mutatingadmissionpolicies"),
        list::<Binding>(&client, "mutatingadmissionpolicybindings"),
        labels_of_namespace(&client, live.meta().namespace.as_deref()),
    )?;
    let kind = K::DynamicType::default();
    let before = live.labels().clone();
    let after = with_ours(&before, wanted);
    let update = Update {
        group: K::group(&kind).into_owned(),
        version: K::version(&kind).into_owned(),
        resource: K::plural(&kind).into_owned(),
        name: live.name_any(),
        namespace_labels: match namespace {
            None if K::kind(&kind) == "Namespace" => Some(after.clone()),
            namespace => namespace,
        },
        labels: [before, after],
    };
    Ok(Mutators { configurations, policies, bindings }.of(&update))
}

/// The labels that an object is sent with to admission.
fn with_ours(live: &Labels, wanted: &Value) -> Labels {
    let ours = wanted.pointer("/metadata/labels").and_then(Value::as_object);
    let ours = ours.into_iter().flatten();
    let ours = ours.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    live.clone().into_iter().chain(ours).collect()
}

async fn labels_of_namespace(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Option<Labels>, Error> {
    let Some(namespace) = namespace else { return Ok(None) };
    let found = get::get(&Api::<Namespace>::all(client.clone()), namespace).await?;
    Ok(Some(found.map(|found| found.labels().clone()).unwrap_or_default()))
}

/// All of a kind, in the first version that is served; none where it is in no version. From the API server's
/// memory: its admission reads these from there too.
async fn list<K>(client: &Client, plural: &'static str) -> Result<Vec<K>, Error>
where
    K: DeserializeOwned + Clone + Debug,
{
    for version in VERSIONS {
        let url = format!("/apis/{GROUP}/{version}/{plural}");
        let request = Request::new(url).list(&ListParams::default().match_any());
        let request = request.map_err(|error| failed(plural, kube::Error::BuildRequest(error)))?;
        match client.request::<ObjectList<K>>(request).await {
            Ok(found) => return Ok(found.items),
            Err(source) if is_status(&source, Status::is_not_found) => {}
            Err(source) => return Err(failed(plural, source)),
        }
    }
    Ok(Vec::new())
}

fn failed(plural: &str, source: kube::Error) -> Error {
    Error::ApiCall { verb: "list", object: plural.to_owned(), source: Box::new(source) }
}

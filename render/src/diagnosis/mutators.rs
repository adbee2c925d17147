//! Which mutating webhooks and policies the API server asks about an update of ours, by their rules and selectors as
//! `k8s.io/apiserver/pkg/admission/plugin/` (`webhook/predicates`, `policy/matching`) reads them. What CEL decides
//! (`matchConditions`) is not evaluated: who has some stays a candidate.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
};
use k8s_openapi::api::admissionregistration::v1beta1::{
    MatchResources, MutatingAdmissionPolicyBindingSpec, MutatingAdmissionPolicySpec,
    NamedRuleWithOperations,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{NotUsed, Object, Selector, SelectorExt as _};

use super::name_of;

/// A `MutatingAdmissionPolicy` of whatever version: they all have this form.
pub type Policy = Object<MutatingAdmissionPolicySpec, NotUsed>;
/// A `MutatingAdmissionPolicyBinding` of whatever version.
pub type Binding = Object<MutatingAdmissionPolicyBindingSpec, NotUsed>;
type Labels = BTreeMap<String, String>;

const SOMEBODY: &str = "a mutating admission webhook or policy";
/// The message of a condition is for people.
const MOST_NAMED: usize = 4;

/// Everything of mutating admission that an API server lists.
#[derive(Clone, Debug, Default)]
pub struct Mutators {
    /// Webhooks, by configuration.
    pub configurations: Vec<MutatingWebhookConfiguration>,
    /// Policies: one that nothing binds does nothing.
    pub policies: Vec<Policy>,
    /// What binds them.
    pub bindings: Vec<Binding>,
}

/// An update of an object, as admission sees it.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Its API group; empty for the core one.
    pub group: String,
    /// In that version it is written.
    pub version: String,
    /// The plural of its kind.
    pub resource: String,
    /// Its name.
    pub name: String,
    /// Labels of the namespace that it is in; of a Namespace its own. `None`: it is in none.
    pub namespace_labels: Option<Labels>,
    /// Its own labels, before and after: a selector may match either.
    pub labels: [Labels; 2],
}

/// Who of admission changes what we write, in words; `Err`: why nobody can tell.
#[must_use]
pub fn who(found: &Result<Vec<String>, String>) -> String {
    match found.as_deref() {
        Err(why) => format!("{SOMEBODY} (which one is not known: {why})"),
        Ok([]) => {
            format!("{SOMEBODY} (none that the API server lists asks for such an object)")
        }
        Ok(names) => {
            let first = names.iter().take(MOST_NAMED).cloned();
            let more = names.len().checked_sub(MOST_NAMED).filter(|more| *more > 0);
            let all: Vec<String> = first.chain(more.map(|more| format!("{more} more"))).collect();
            all.join(", or ")
        }
    }
}

impl Mutators {
    /// The names of those that are asked about `update`.
    #[must_use]
    pub fn of(&self, update: &Update) -> Vec<String> {
        let webhooks = self.configurations.iter().flat_map(|configuration| {
            let all = configuration.webhooks.iter().flatten();
            all.filter(|webhook| update.is_sent_to(webhook)).map(|webhook| {
                let by = name_of(&configuration.metadata);
                format!("webhook {} of MutatingWebhookConfiguration {by}", webhook.name)
            })
        });
        let policies = self.bindings.iter().filter_map(|binding| {
            let mut all = self.policies.iter();
            let policy = all.find(|one| one.metadata.name == binding.spec.policy_name)?;
            let both = [&policy.spec.match_constraints, &binding.spec.match_resources];
            both.into_iter().flatten().all(|resources| update.is_among(resources)).then(|| {
                let (policy, by) = (name_of(&policy.metadata), name_of(&binding.metadata));
                format!("MutatingAdmissionPolicy {policy} (bound by {by})")
            })
        });
        webhooks.chain(policies).collect()
    }
}

impl Update {
    fn is_sent_to(&self, webhook: &MutatingWebhook) -> bool {
        let exact = is_exact(webhook.match_policy.as_ref());
        let mut rules = webhook.rules.iter().flatten().map(Rule::from);
        rules.any(|rule| self.is_under(&rule, exact))
            && self
                .is_selected(webhook.namespace_selector.as_ref(), webhook.object_selector.as_ref())
    }

    fn is_among(&self, resources: &MatchResources) -> bool {
        let exact = is_exact(resources.match_policy.as_ref());
        let is_under_one = |rules: &[NamedRuleWithOperations]| {
            rules.iter().any(|rule| self.is_under(&rule.into(), exact))
        };
        let excluded = resources.exclude_resource_rules.as_deref().unwrap_or_default();
        let rules = resources.resource_rules.as_deref().unwrap_or_default();
        !is_under_one(excluded)
            && (rules.is_empty() || is_under_one(rules))
            && self.is_selected(
                resources.namespace_selector.as_ref(),
                resources.object_selector.as_ref(),
            )
    }

    fn is_under(&self, rule: &Rule<'_>, exact: bool) -> bool {
        let has = |all: &[String], wanted: &str| all.iter().any(|one| one == "*" || one == wanted);
        has(rule.groups, &self.group)
            && (!exact || has(rule.versions, &self.version))
            && has(rule.operations, "UPDATE")
            && rule.resources.iter().any(|resource| self.is_one_of(resource))
            && (rule.names.is_empty() || rule.names.contains(&self.name))
            && match rule.scope {
                Some("Namespaced") => !self.is_cluster_wide(),
                Some("Cluster") => self.is_cluster_wide(),
                _ => true,
            }
    }

    /// `resource`, `resource/subresource`, and `*` for either; we write none of the latter.
    fn is_one_of(&self, resource: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        (resource == "*" || resource == self.resource) && matches!(subresource, "" | "*")
    }

    fn is_selected(
        &self,
        namespace: Option<&LabelSelector>,
        object: Option<&LabelSelector>,
    ) -> bool {
        self.namespace_labels.as_ref().is_none_or(|labels| selects(namespace, labels))
            && self.labels.iter().any(|labels| selects(object, labels))
    }

    /// Its own name is the namespace of a Namespace, which is in none.
    fn is_cluster_wide(&self) -> bool {
        self.namespace_labels.is_none() || (self.group.is_empty() && self.resource == "namespaces")
    }
}

/// A rule of a webhook or of a policy.
struct Rule<'a> {
    groups: &'a [String],
    versions: &'a [String],
    resources: &'a [String],
    operations: &'a [String],
    names: &'a [String],
    scope: Option<&'a str>,
}

impl<'a> From<&'a RuleWithOperations> for Rule<'a> {
    fn from(rule: &'a RuleWithOperations) -> Self {
        Self {
            groups: rule.api_groups.as_deref().unwrap_or_default(),
            versions: rule.api_versions.as_deref().unwrap_or_default(),
            resources: rule.resources.as_deref().unwrap_or_default(),
            operations: rule.operations.as_deref().unwrap_or_default(),
            names: &[],
            scope: rule.scope.as_deref(),
        }
    }
}

impl<'a> From<&'a NamedRuleWithOperations> for Rule<'a> {
    fn from(rule: &'a NamedRuleWithOperations) -> Self {
        Self {
            groups: rule.api_groups.as_deref().unwrap_or_default(),
            versions: rule.api_versions.as_deref().unwrap_or_default(),
            resources: rule.resources.as_deref().unwrap_or_default(),
            operations: rule.operations.as_deref().unwrap_or_default(),
            names: rule.resource_names.as_deref().unwrap_or_default(),
            scope: rule.scope.as_deref(),
        }
    }
}

/// `Equivalent`, which is meant where nothing is said, converts from one version to another. That between groups
/// (`extensions` to `apps`) no kind that we write has any more.
fn is_exact(match_policy: Option<&String>) -> bool {
    match_policy.is_some_and(|policy| policy == "Exact")
}

/// None selects all. So does one that cannot be read: better a candidate too many.
fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let selector = selector.cloned().map(Selector::try_from);
    !matches!(selector, Some(Ok(selector)) if !selector.matches(labels))
}

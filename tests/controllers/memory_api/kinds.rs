//! Every kind that the in-memory API server serves, and how kube-apiserver treats it.

/// What has to be known of a kind. Its name is unique in [`KINDS`].
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub name: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    /// `/status` is written apart from the rest.
    pub has_status: bool,
    /// `metadata.generation` counts the changes of all but metadata and status.
    pub has_generation: bool,
}

/// All kinds. A request for another one is a 404, as for a definition that is not installed.
pub static KINDS: &[Kind] = &[
    core("Namespace", "namespaces").cluster_wide().with_status(),
    core("Secret", "secrets"),
    core("ConfigMap", "configmaps"),
    core("Service", "services").with_status(),
    core("Pod", "pods").with_status(),
    core("PersistentVolumeClaim", "persistentvolumeclaims").with_status(),
    core("ServiceAccount", "serviceaccounts"),
    core("Endpoints", "endpoints"),
    core("Node", "nodes").cluster_wide().with_status(),
    of("apps", "v1", "Deployment", "deployments").with_status().with_generation(),
    of("apps", "v1", "StatefulSet", "statefulsets").with_status().with_generation(),
    of("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
        .with_status()
        .with_generation(),
    of("apps", "v1", "DaemonSet", "daemonsets").with_status().with_generation(),
    of("batch", "v1", "Job", "jobs").with_status().with_generation(),
    of("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices").with_generation(),
    of("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    of("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    of("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles").cluster_wide(),
    of("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings")
        .cluster_wide(),
    of("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests")
        .cluster_wide()
        .with_status(),
    of("events.k8s.io", "v1", "Event", "events"),
    of("coordination.k8s.io", "v1", "Lease", "leases"),
    of("storage.k8s.io", "v1", "StorageClass", "storageclasses").cluster_wide(),
    admission("v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    // As Kubernetes 1.34 has them: who looks for v1 finds nothing.
    admission("v1beta1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
    admission("v1beta1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
    of("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews").cluster_wide(),
    of("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews").cluster_wide(),
    of("nagaya.dev", "v1alpha1", "TenantCluster", "tenantclusters").with_status().with_generation(),
    of("nagaya.dev", "v1alpha1", "JoinToken", "jointokens").with_status().with_generation(),
];

impl Kind {
    /// The kind called `name`. Panics if there is none: a mistake of the test.
    pub fn named(name: &str) -> &'static Self {
        KINDS.iter().find(|kind| kind.name == name).unwrap()
    }

    /// The kind that a path names.
    pub fn served_as(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// By a `CustomResourceDefinition`.
    pub fn is_defined(&self) -> bool {
        self.group == "nagaya.dev"
    }

    /// A PUT of what is not there makes it (`AllowCreateOnUpdate`).
    pub fn is_created_by_update(&self) -> bool {
        self.group == "rbac.authorization.k8s.io" || matches!(self.name, "Service" | "Lease")
    }

    /// A PUT has to say which version it changes (no `AllowUnconditionalUpdate`).
    pub fn is_changed_by_version(&self) -> bool {
        self.is_defined() || matches!(self.name, "Lease" | "PodDisruptionBudget")
    }

    /// A DELETE answers with what is gone (`ReturnDeletedObject`).
    pub fn is_returned_when_deleted(&self) -> bool {
        matches!(self.name, "Service" | "ServiceAccount" | "Pod" | "PersistentVolumeClaim")
    }

    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `configmaps`, `deployments.apps`: as messages name a kind.
    pub fn resource(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    const fn cluster_wide(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn with_status(mut self) -> Self {
        self.has_status = true;
        self
    }

    const fn with_generation(mut self) -> Self {
        self.has_generation = true;
        self
    }
}

const fn core(name: &'static str, plural: &'static str) -> Kind {
    of("", "v1", name, plural)
}

const fn admission(version: &'static str, name: &'static str, plural: &'static str) -> Kind {
    of("admissionregistration.k8s.io", version, name, plural).cluster_wide()
}

const fn of(
    group: &'static str,
    version: &'static str,
    name: &'static str,
    plural: &'static str,
) -> Kind {
    Kind {
        group,
        version,
        name,
        plural,
        namespaced: true,
        has_status: false,
        has_generation: false,
    }
}

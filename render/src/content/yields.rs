//! Fields that are set as kubeadm sets them until somebody in the tenant sets them otherwise: how many pods of an addon there are, how
//! large they are, and where they run. A person or an autoscaler that owns such a field (`metadata.managedFields`) keeps it.

/// Steps from the object to a field, as in `FieldsV1`.
pub type Field = &'static [&'static str];

pub(super) const REPLICAS: Field = &["f:spec", "f:replicas"];
/// A list that is owned as one: with kubeadm's tolerations in it, nobody could add another.
pub(super) const TOLERATIONS: Field = &["f:spec", "f:template", "f:spec", "f:tolerations"];
/// A map that is owned as one.
pub(super) const NODE_SELECTOR: Field = &["f:spec", "f:template", "f:spec", "f:nodeSelector"];

macro_rules! of_core_dns {
    ($kind:literal, $name:literal) => {
        &[
            "f:spec",
            "f:template",
            "f:spec",
            "f:containers",
            r#"k:{"name":"coredns"}"#,
            "f:resources",
            $kind,
            $name,
        ]
    };
}
pub(super) const CORE_DNS_RESOURCES: [Field; 3] = [
    of_core_dns!["f:requests", "f:cpu"],
    of_core_dns!["f:requests", "f:memory"],
    of_core_dns!["f:limits", "f:memory"],
];

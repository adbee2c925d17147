//! A tenant's folder in a bucket.

use nagaya_api::SnapshotBucket;

/// Where in which bucket a tenant's snapshots are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// `https://HOST[:PORT]`.
    pub endpoint: String,
    /// Name of the bucket.
    pub name: String,
    /// Region that requests are signed for.
    pub region: String,
    /// `[PREFIX/]NAMESPACE/NAME`: two tenants never share one.
    pub folder: String,
    /// Secret with the credentials, in the tenant's namespace.
    pub secret: String,
}

impl Bucket {
    /// As the spec of the tenant `name` in `namespace` has it.
    #[must_use]
    pub fn of(asked: &SnapshotBucket, namespace: &str, name: &str) -> Self {
        let own = format!("{namespace}/{name}");
        Self {
            endpoint: asked.endpoint.clone(),
            name: asked.bucket.clone(),
            region: asked.region.clone(),
            folder: asked.prefix.as_ref().map_or(own.clone(), |prefix| format!("{prefix}/{own}")),
            secret: asked.secret_name.clone(),
        }
    }

    /// The folder as a URL, which says of a snapshot where it is.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}/{}/{}", self.endpoint, self.name, self.folder)
    }
}

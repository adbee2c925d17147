//! An S3-compatible place for snapshots.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Bucket of an S3-compatible server, reached over HTTPS and by path (`ENDPOINT/BUCKET/...`). Snapshots are below
/// `PREFIX/NAMESPACE/NAME/` in it, with the CA keys that a restore elsewhere needs: it has to be private.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotBucket {
    /// The server: `https://HOST` or `https://HOST:PORT`.
    #[schemars(length(min = 1, max = 261))]
    #[x_kube(validation = Rule::new("self.matches('^https://[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?$')")
        .message("spec.snapshots.s3.endpoint must be https://HOST or https://HOST:PORT, without a path"))]
    pub endpoint: String,

    /// Name of the bucket, which has to be there.
    #[schemars(length(min = 3, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][-.a-z0-9]*[a-z0-9]$')")
        .message("spec.snapshots.s3.bucket must be a bucket's name: lower-case letters, digits, hyphens and dots"))]
    pub bucket: String,

    /// Region that requests are signed for. Most servers other than Amazon's take any.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = Rule::new("self.matches('^[-a-z0-9]+$')")
        .message("spec.snapshots.s3.region must be lower-case letters, digits and hyphens, such as eu-central-1"))]
    pub region: String,

    /// What names in the bucket begin with: words with slashes between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z0-9][-_.a-zA-Z0-9]*(/[a-zA-Z0-9][-_.a-zA-Z0-9]*)*$')")
        .message("spec.snapshots.s3.prefix must be words of letters, digits, hyphens, underscores and dots with slashes between them, none at either end"))]
    pub prefix: Option<String>,

    /// Secret in this namespace with the keys `accessKeyID` and `secretAccessKey`, and `ca.crt` where a CA of
    /// your own has signed the server's certificate. It is read again for each snapshot.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("spec.snapshots.s3.secretName must be the name of a Secret in this namespace"))]
    pub secret_name: String,
}

/// Keys of the Secret that `spec.snapshots.s3.secretName` names.
pub mod bucket_keys {
    /// The access key's ID.
    pub const ACCESS_KEY_ID: &str = "accessKeyID";
    /// The secret half of the access key.
    pub const SECRET_ACCESS_KEY: &str = "secretAccessKey";
    /// PEM certificates of the CAs that may have signed the server's certificate; without it, the public ones.
    pub const CA_CERTIFICATE: &str = "ca.crt";
    /// Every one of them.
    pub const ALL: [&str; 3] = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, CA_CERTIFICATE];
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

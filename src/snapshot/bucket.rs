//! A tenant's folder in a bucket of an S3-compatible server. Of each snapshot there are, in a folder called as it:
//!
//! | object | what |
//! |---|---|
//! | `etcd.db` | the snapshot as etcd sends it |
//! | `recovery.json` | the control plane's namespace and keys, to be created where they are gone |
//! | `snapshot.json` | what it is, and how long and what SHA-256 the others have: written last, removed first, so that a snapshot without it does not count |

mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use nagaya_api::{Snapshot, bucket_keys};
use nagaya_render::digest::hex;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Certificate, ClientOptions, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use trouble::Trouble;

use super::{Error, failed};

pub(super) const DATABASE: &str = "etcd.db";
pub(super) const RECOVERY: &str = "recovery.json";
const MANIFEST: &str = "snapshot.json";

/// All that is ever held of a snapshot: Jobs have 64 MiB. A bucket takes 10 000 of them, the last may be shorter.
pub(super) const PIECE: usize = 8 << 20;
/// Longer than a Job may take, its second attempt included.
const UNFINISHED_FOR: i64 = 2 * 60 * 60;

const CONNECT: Duration = Duration::from_secs(10);
/// For one piece.
const REQUEST: Duration = Duration::from_mins(2);
/// For a second or two: the Job itself is tried twice.
const RETRIES: (usize, Duration) = (4, Duration::from_mins(1));

/// A folder in a bucket, and the right to use it.
#[derive(Debug, clap::Args)]
pub struct BucketOptions {
    /// The server, `https://HOST[:PORT]`.
    #[arg(long)]
    endpoint: String,
    /// Name of the bucket.
    #[arg(long)]
    bucket: String,
    /// Region that requests are signed for.
    #[arg(long)]
    region: String,
    /// Folder in the bucket.
    #[arg(long)]
    folder: String,
    /// Directory with the files `accessKeyID`, `secretAccessKey` and perhaps `ca.crt`.
    #[arg(long)]
    credentials: PathBuf,
    /// Secret that these come from, for messages.
    #[arg(long)]
    secret: String,
}

/// What is known of a snapshot in a bucket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub snapshot: Snapshot,
    /// SHA-256 of the cluster CA's certificate: another cluster of the same name has another one.
    pub cluster: String,
    /// Object by object, but for the manifest itself.
    pub files: BTreeMap<String, Content>,
}

/// What an object of a snapshot has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content {
    pub size_bytes: u64,
    pub sha256: String,
}

/// What there is in the folder.
pub(super) struct Listing {
    /// Of every cluster of this name, oldest first.
    pub manifests: Vec<Manifest>,
    /// What attempts have left that failed long ago.
    pub unfinished: Vec<Path>,
}

/// The folder, opened.
pub(super) struct Bucket<'o> {
    options: &'o BucketOptions,
    store: AmazonS3,
}

impl<'o> Bucket<'o> {
    pub(super) fn open(options: &'o BucketOptions) -> Result<Self, Error> {
        let (retries, retry_for) = RETRIES;
        let retry = RetryConfig {
            max_retries: retries,
            retry_timeout: retry_for,
            ..RetryConfig::default()
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&options.endpoint)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(credential(options, bucket_keys::ACCESS_KEY_ID)?)
            .with_secret_access_key(credential(options, bucket_keys::SECRET_ACCESS_KEY)?)
            // One request each: not every server knows the other way.
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_client_options(client(options)?)
            .build();
        let store = store.map_err(|error| Trouble::read("use", options, &error))?;
        Ok(Self { options, store })
    }

    /// The folder as a URL.
    pub(super) fn location(&self) -> String {
        let BucketOptions { endpoint, bucket, folder, .. } = self.options;
        format!("{endpoint}/{bucket}/{folder}")
    }

    pub(super) fn path(&self, snapshot: &str, object: &str) -> Path {
        Path::from(format!("{}/{snapshot}/{object}", self.options.folder))
    }

    pub(super) fn store(&self) -> &AmazonS3 {
        &self.store
    }

    /// What went wrong, in words.
    pub(super) fn failed(
        &self,
        verb: &'static str,
    ) -> impl FnOnce(object_store::Error) -> Error + use<'o> {
        let options = self.options;
        move |error| Trouble::read(verb, options, &error).into()
    }

    pub(super) async fn write(&self, path: &Path, content: Vec<u8>) -> Result<Content, Error> {
        let written = Content {
            size_bytes: content.len().try_into().unwrap_or(u64::MAX),
            sha256: hex(&Sha256::digest(&content)),
        };
        self.store.put(path, content.into()).await.map_err(self.failed("write to"))?;
        Ok(written)
    }

    /// From then on the snapshot counts.
    pub(super) async fn write_manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        let path = self.path(&manifest.snapshot.name, MANIFEST);
        self.write(&path, serde_json::to_vec(manifest)?).await.map(drop)
    }

    /// From now on the snapshot does not count; none there is as good.
    pub(super) async fn remove_manifest(&self, snapshot: &str) -> Result<(), Error> {
        self.remove(&self.path(snapshot, MANIFEST)).await
    }

    /// Goes through a snapshot piece by piece, and fails if it is not what was written.
    pub(super) async fn read_database(
        &self,
        snapshot: &str,
        mut piece: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let manifest = self.manifest(snapshot).await?;
        let path = self.path(snapshot, DATABASE);
        let damaged = |why| Error::Damaged { path: path.to_string(), why };
        let Some(written) = manifest.files.get(DATABASE) else {
            return Err(damaged("its manifest does not tell its checksum"));
        };
        let mut digest = Sha256::new();
        let mut start = 0;
        while start < written.size_bytes {
            let end = written.size_bytes.min(start + PIECE as u64);
            let found = self.store.get_range(&path, start..end).await;
            let found = match found {
                Err(object_store::Error::NotFound { .. }) => {
                    return Err(damaged("its manifest is there and it is not"));
                }
                found => found.map_err(self.failed("read from"))?,
            };
            if found.len() as u64 != end - start {
                return Err(damaged("its end is missing"));
            }
            digest.update(&found);
            piece(&found)?;
            start = end;
        }
        if hex(&digest.finalize()) != written.sha256 {
            return Err(damaged("its content is not what was written"));
        }
        Ok(())
    }

    async fn manifest(&self, snapshot: &str) -> Result<Manifest, Error> {
        match self.store.get(&self.path(snapshot, MANIFEST)).await {
            Ok(found) => {
                let text = found.bytes().await.map_err(self.failed("read from"))?;
                Ok(serde_json::from_slice(&text)?)
            }
            Err(error) => match Trouble::read("read from", self.options, &error) {
                Trouble::NotFound => Err(Error::NotThere {
                    snapshot: snapshot.to_owned(),
                    location: self.location(),
                }),
                trouble => Err(trouble.into()),
            },
        }
    }

    pub(super) async fn list(&self) -> Result<Listing, Error> {
        let folder = Path::from(self.options.folder.as_str());
        let objects: Vec<_> =
            self.store.list(Some(&folder)).try_collect().await.map_err(self.failed("list"))?;
        let name_of = |path: &Path| -> Option<(String, bool)> {
            // A folder below may be another tenant's.
            let parts: Vec<_> = path.prefix_match(&folder)?.collect();
            let [name, object] = parts.as_slice() else { return None };
            Some((name.as_ref().to_owned(), object.as_ref() == MANIFEST))
        };
        let named = objects.iter().filter_map(|object| name_of(&object.location));
        // Also those that a newer manager may have written, and this one cannot read.
        let counted: BTreeSet<String> =
            named.filter(|(_, is_manifest)| *is_manifest).map(|(name, _)| name).collect();
        let old = Timestamp::now().as_second() - UNFINISHED_FOR;
        let unfinished = objects.iter().filter(|object| {
            let name = name_of(&object.location);
            name.is_some_and(|(name, _)| !counted.contains(&name))
                && object.last_modified.timestamp() < old
        });
        let unfinished = unfinished.map(|object| object.location.clone()).collect();
        let mut manifests = Vec::new();
        for name in &counted {
            match self.manifest(name).await {
                Ok(manifest) if manifest.snapshot.name == *name => manifests.push(manifest),
                Ok(_) | Err(Error::Note(_) | Error::NotThere { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        manifests.sort_by_key(|one| one.snapshot.time.0);
        Ok(Listing { manifests, unfinished })
    }

    /// The manifest goes first.
    pub(super) async fn remove_snapshot(&self, snapshot: &str) -> Result<(), Error> {
        for object in [MANIFEST, DATABASE, RECOVERY] {
            self.remove(&self.path(snapshot, object)).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.store.delete(path).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            done => done.map_err(self.failed("remove from")),
        }
    }
}

fn credential(options: &BucketOptions, key: &'static str) -> Result<String, Error> {
    let value = fs::read_to_string(options.credentials.join(key)).unwrap_or_default();
    if value.trim().is_empty() {
        return Err(Trouble::NoCredential { secret: options.secret.clone(), key }.into());
    }
    Ok(value.trim().to_owned())
}

/// The image has no CAs of a system: they are the tenant's, or those that browsers trust.
fn client(options: &BucketOptions) -> Result<ClientOptions, Error> {
    let unusable =
        |error: object_store::Error| Trouble::Ca { secret: options.secret.clone(), source: error };
    let path = options.credentials.join(bucket_keys::CA_CERTIFICATE);
    let trusted: Result<Vec<_>, _> = if path.exists() {
        let text = fs::read(&path).map_err(failed("read", &path))?;
        Certificate::from_pem_bundle(&text)
    } else {
        let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        public.map(|certificate| Certificate::from_der(certificate)).collect()
    };
    let client = ClientOptions::new()
        .with_no_system_certificates(true)
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST);
    Ok(trusted.map_err(unusable)?.into_iter().fold(client, ClientOptions::with_root_certificate))
}

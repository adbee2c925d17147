//! After `etcdctl snapshot save`, where snapshots are kept in a bucket: what was saved goes there with the keys that a
//! restore needs, and the oldest goes from there. What there is then is told as in `finish.rs`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use nagaya_api::{Snapshot, labels};
use nagaya_render::certificates::Authority;
use nagaya_render::digest::hex;
use object_store::{MultipartUpload as _, ObjectStoreExt as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::bucket::{Bucket, BucketOptions, Content, DATABASE, Manifest, PIECE, RECOVERY};
use super::finish::{FinishOptions, beyond, tell};
use super::{Error, entries, failed};

/// What was saved, and where it goes.
#[derive(Debug, clap::Args)]
pub struct UploadOptions {
    #[command(flatten)]
    saved: FinishOptions,
    #[command(flatten)]
    bucket: BucketOptions,
    /// The control plane's namespace and its Secrets without their contents, as a `List` in JSON.
    #[arg(long)]
    recovery: String,
}

/// Makes a saved file a snapshot that counts.
pub(super) async fn upload(options: &UploadOptions) -> Result<(), Error> {
    let saved = &options.saved;
    let bucket = Bucket::open(&options.bucket)?;
    // Found out now, it costs nothing; later, the control plane is stopped for it.
    if let Some(protected) = &saved.protect {
        bucket.read_database(protected, |_| Ok(())).await?;
    }
    let snapshot = saved.checked()?;
    // A pod before this one of the same Job may have got as far.
    bucket.remove_manifest(&snapshot.name).await?;
    let database = write_database(&bucket, &snapshot.name, &saved.database()).await?;
    let recovery = recovery(options, &snapshot, bucket.location())?;
    let path = bucket.path(&snapshot.name, RECOVERY);
    let recovery = bucket.write(&path, serde_json::to_vec(&recovery)?).await?;
    let files = [(DATABASE.to_owned(), database), (RECOVERY.to_owned(), recovery)].into();
    let cluster = cluster(&saved.keys)?;
    bucket.write_manifest(&Manifest { snapshot, cluster: cluster.clone(), files }).await?;
    let listing = bucket.list().await?;
    let own = listing.manifests.into_iter().filter(|one| one.cluster == cluster);
    let own = own.map(|one| one.snapshot).collect();
    let (left, surplus) = beyond(saved.keep.max(1), &saved.stay(), own);
    for old in &surplus {
        bucket.remove_snapshot(&old.name).await?;
    }
    for path in &listing.unfinished {
        bucket.remove(path).await?;
    }
    tell(saved, &left)
}

/// Piece by piece, and there only when it is complete.
async fn write_database(bucket: &Bucket<'_>, name: &str, file: &Path) -> Result<Content, Error> {
    let mut reader = File::open(file).map_err(failed("open", file))?;
    let path = bucket.path(name, DATABASE);
    let begun = bucket.store().put_multipart(&path).await;
    let mut upload = begun.map_err(bucket.failed("write to"))?;
    let mut digest = Sha256::new();
    let mut size_bytes = 0;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(failed("read", file))?;
        if piece.is_empty() {
            break;
        }
        digest.update(&piece);
        size_bytes += piece.len() as u64;
        if let Err(error) = upload.put_part(piece.into()).await {
            // Its pieces would be paid for; what keeps us from writing may keep us from that too.
            drop(upload.abort().await);
            return Err(bucket.failed("write to")(error));
        }
    }
    upload.complete().await.map_err(bucket.failed("write to"))?;
    Ok(Content { size_bytes, sha256: hex(&digest.finalize()) })
}

/// Fills in what only the Job has: the contents of the Secrets, and which snapshot this is.
fn recovery(
    options: &UploadOptions,
    snapshot: &Snapshot,
    location: String,
) -> Result<Value, Error> {
    let mut list: Value = serde_json::from_str(&options.recovery)?;
    let snapshots = [Snapshot { location: Some(location), ..snapshot.clone() }];
    for item in list["items"].as_array_mut().into_iter().flatten() {
        *item = if item["kind"] == "Secret" {
            let mut secret: Secret = serde_json::from_value(item.take())?;
            let name = secret.metadata.name.clone().unwrap_or_default();
            secret.string_data = Some(contents(&options.saved.keys.join(name))?);
            json!(secret)
        } else {
            let mut namespace: Namespace = serde_json::from_value(item.take())?;
            let record = namespace.metadata.annotations.get_or_insert_default();
            record.insert(labels::SNAPSHOTS.to_owned(), json!(snapshots).to_string());
            json!(namespace)
        };
    }
    Ok(list)
}

fn contents(directory: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut contents = BTreeMap::new();
    for (key, path) in entries(directory)? {
        contents.insert(key, fs::read_to_string(&path).map_err(failed("read", &path))?);
    }
    Ok(contents)
}

/// What tells this cluster from others that had its name: its nodes pin it.
fn cluster(keys: &Path) -> Result<String, Error> {
    let path = keys.join(Authority::Cluster.secret_name()).join("tls.crt");
    Ok(hex(&Sha256::digest(fs::read(&path).map_err(failed("read", &path))?)))
}

//! What is wrong with a bucket, in words that name the field to correct. Of what a server says only its code is
//! repeated: these words end in a status that others read.

use std::error::Error;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use super::BucketOptions;

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There is no access key.
    #[error(
        "Secret {secret} (spec.snapshots.s3.secretName) is not there or has no key {key}: it needs accessKeyID and \
         secretAccessKey"
    )]
    NoCredential {
        /// `NAMESPACE/NAME`.
        secret: String,
        /// Which half.
        key: &'static str,
    },
    /// What is in `ca.crt` is no certificate.
    #[error(
        "key ca.crt of Secret {secret} (spec.snapshots.s3.secretName) holds no PEM certificates: {source}"
    )]
    Ca {
        /// `NAMESPACE/NAME`.
        secret: String,
        /// What reads it.
        source: object_store::Error,
    },
    /// The server cannot be asked, or does not do it.
    #[error("cannot {verb} bucket {bucket} at {endpoint}: {why}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// The bucket.
        bucket: String,
        /// The server.
        endpoint: String,
        /// What it is, and what to do.
        why: String,
    },
    /// There is no such object.
    #[error("the object is not there")]
    NotFound,
}

impl Trouble {
    /// Finds out what `error` is about.
    pub(super) fn read(
        verb: &'static str,
        options: &BucketOptions,
        error: &object_store::Error,
    ) -> Self {
        let text = error.to_string();
        let code = code(&text);
        let is_missing = matches!(error, object_store::Error::NotFound { .. });
        if code == Some("NoSuchKey") || (is_missing && code.is_none()) {
            return Self::NotFound;
        }
        let why = match code {
            Some(code) => of_code(code, options),
            None => of_connection(error, options).unwrap_or_else(|| match error {
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. } => of_code("AccessDenied", options),
                other => innermost(other),
            }),
        };
        Self::Refused {
            verb,
            bucket: options.bucket.clone(),
            endpoint: options.endpoint.clone(),
            why,
        }
    }
}

/// S3's word for what is wrong.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= 64 && code.bytes().all(|one| one.is_ascii_alphanumeric());
    is_word.then_some(code)
}

fn of_code(code: &str, options: &BucketOptions) -> String {
    let BucketOptions { bucket, region, secret, .. } = options;
    let secret = format!("Secret {secret} (spec.snapshots.s3.secretName)");
    match code {
        "NoSuchBucket" => {
            format!("there is no bucket {bucket}; create it, or correct spec.snapshots.s3.bucket")
        }
        // The second is what Versity's gateway says.
        "InvalidAccessKeyId" | "XAdminUserNotFound" => {
            format!("the server does not know accessKeyID of {secret}; correct it ({code})")
        }
        "SignatureDoesNotMatch" => {
            format!(
                "secretAccessKey of {secret} is not the one of its accessKeyID; correct it ({code})"
            )
        }
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "IncorrectRegion"
        | "InvalidRegion" => {
            format!(
                "{region} is not the bucket's region; correct spec.snapshots.s3.region ({code})"
            )
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => format!(
            "the access key of {secret} may not; let it list the bucket, and get, put and delete objects ({code})"
        ),
        "RequestTimeTooSkewed" => {
            "the clock of the node and the server's are too far apart; set them".to_owned()
        }
        _ => format!("the server says {code}"),
    }
}

fn of_connection(error: &object_store::Error, options: &BucketOptions) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(why)) = find::<rustls::Error>(error) {
        let advice = match why {
            rustls::CertificateError::UnknownIssuer => format!(
                "put the certificate of the CA that signed it into key ca.crt of Secret {} \
                 (spec.snapshots.s3.secretName)",
                options.secret
            ),
            _ => "have it made anew, or correct spec.snapshots.s3.endpoint".to_owned(),
        };
        return Some(format!("the server's certificate is not trusted ({why}); {advice}"));
    }
    let why = match find::<HttpError>(error)?.kind() {
        HttpErrorKind::Timeout => "it does not answer in time".to_owned(),
        _ => innermost(error),
    };
    Some(format!(
        "{why}; look whether spec.snapshots.s3.endpoint is right and can be reached from here"
    ))
}

fn find<T: Error + 'static>(error: &object_store::Error) -> Option<&T> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

/// `object_store`'s words for an answer that is no success (`RequestError` in its `client/retry.rs`).
const STATUS: &str = "Server returned non-2xx status code: ";
const ERROR_BODY: &str = "Server returned error response: ";

fn innermost(error: &object_store::Error) -> String {
    let words = causes(error).last().map(ToString::to_string).unwrap_or_default();
    // What follows is the body, of whatever server the tenant's endpoint leads to.
    match words.strip_prefix(STATUS).and_then(|rest| rest.split_once(':')) {
        Some((status, _)) => format!("the server answers {status}"),
        None if words.starts_with(ERROR_BODY) => "the server answers with an error".to_owned(),
        None => words,
    }
}

/// From the outside in. An I/O error does not name what it wraps as its cause.
fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&one| {
        match one.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => one.source(),
        }
    })
}

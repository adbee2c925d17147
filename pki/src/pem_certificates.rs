//! The way from PEM text to parsed certificates.

use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer};

use crate::Error;

/// The DER of every certificate in the text, at least one.
pub(crate) fn ders(pem_text: &str) -> Result<Vec<Vec<u8>>, Error> {
    let mut ders = Vec::new();
    for block in Pem::iter_from_buffer(pem_text.as_bytes()) {
        let block = block.map_err(|error| unreadable(&error))?;
        if block.label != "CERTIFICATE" {
            return Err(unreadable(&format!("found a {} block", block.label)));
        }
        ders.push(block.contents);
    }
    if ders.is_empty() {
        return Err(unreadable(&"no certificate in it"));
    }
    Ok(ders)
}

/// One certificate from its DER.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(&error))?;
    if !rest.is_empty() {
        return Err(unreadable(&"bytes follow the certificate"));
    }
    Ok(certificate)
}

pub(crate) fn unreadable(reason: &dyn ToString) -> Error {
    Error::CertificateUnreadable { reason: reason.to_string() }
}

//! How mail is delivered.

use serde::Deserialize;
use tenantry_infra::Delivery;

/// How mail is delivered.
#[expect(missing_docs, reason = "config/default.toml explains every setting")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    pub smtp_url: String,
    pub from: String,
    pub folder: String,
}

impl MailSettings {
    /// To a mail server if one is named; else into a folder in development, and nowhere in production.
    pub(super) fn delivery(&self, is_development: bool) -> Delivery {
        match self.smtp_url.as_str() {
            "" if is_development => Delivery::Folder(self.folder.clone().into()),
            "" => Delivery::Disabled,
            url => Delivery::Smtp(url.to_owned()),
        }
    }

    /// Whether no mail goes over the network in clear.
    pub(super) fn is_encrypted(&self) -> bool {
        let url = self.smtp_url.as_str();
        url.is_empty() || url.starts_with("smtps://") || (url.starts_with("smtp://") && url.ends_with("?tls=required"))
    }
}

impl std::fmt::Debug for MailSettings {
    /// Without the URL, which holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailSettings").field("from", &self.from).finish_non_exhaustive()
    }
}

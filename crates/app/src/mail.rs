//! Mail to people: invitations, tokens to set a password.

use tenantry_tenancy::Email;

/// A mail of plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says. May hold a link that lets its reader in: never log it.
    pub text: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Delivers mail behind the caller's back, so that neither the time nor the failure of a delivery tells anything about whom
/// it was for.
pub trait Mailer: Send + Sync {
    /// Takes a mail over. Never waits; a delivery that fails is tried again and at last logged.
    fn send(&self, mail: Mail);
}

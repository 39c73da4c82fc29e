//! Passkeys (Web Authentication Level 3): keys that a person's devices hold and that answer one relying party alone.
//!
//! A ceremony is a question that is answered once: it is kept until then or for five minutes. A passkey proves two factors at
//! once, for it answers only after its person has proven themselves to their device; so it can stand in for a code after a
//! password, and for both.

mod logins;
mod verifying;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use tenantry_tenancy::{Email, RequestId, SessionId, StoreError, TenantId, UserId, id, text, words};

use crate::credentials::TokenDigest;
use crate::opaque::{self, opaque_token};
use crate::{Authenticator, FactorError};

pub use logins::{PasskeyAnswer, PasskeyQuestion};
use verifying::Registered;
pub use verifying::{Flaw, PublicKey, RelyingParty};

/// How long a ceremony may take.
pub const CEREMONY_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How many passkeys a person may have.
pub const MOST_PASSKEYS: usize = 20;
/// How many logins may ask the database at the same time, of its few connections for those who are not in yet.
pub(crate) const CEREMONIES_AT_ONCE: usize = 2;
/// How many more may wait for that.
pub(crate) const CEREMONIES_WAITING: usize = 64;

id!(
    /// One passkey.
    PasskeyId
);
text!(
    /// What a person calls a passkey.
    PasskeyName,
    Line,
    120
);
words!(
    /// What a ceremony is for.
    CeremonyKind {
        /// Adding a passkey to one's account.
        Registration = "registration",
        /// Logging in with one.
        Login = "login",
    }
);
opaque_token!(
    /// Names a ceremony to whoever began it.
    CeremonyToken,
    "tnc_"
);

/// Keeps passkeys and the ceremonies that are under way. Each method is one transaction.
#[async_trait]
pub trait PasskeyStore: Send + Sync {
    /// Takes note of a ceremony.
    async fn begin_ceremony(&self, ceremony: &Ceremony, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// The ceremony, which is over with that; `None` if there is none of this kind or it took too long.
    async fn take_ceremony(
        &self,
        digest: &TokenDigest,
        kind: CeremonyKind,
        now: DateTime<Utc>,
    ) -> Result<Option<Ceremony>, StoreError>;

    /// Adds a passkey. The session that is kept has proved a second factor from now on; with the person's first one all their
    /// others end, and an authenticator that was being enrolled is forgotten.
    async fn add_passkey(&self, new: &NewPasskey) -> Result<Addition, StoreError>;

    /// A person's passkeys, the oldest first.
    async fn passkeys_of(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError>;

    /// The passkey with this credential.
    async fn passkey(&self, credential: &[u8]) -> Result<Option<StoredPasskey>, StoreError>;

    /// Takes note that a passkey was used; false if its counter did not go up, though it counts, or it is gone.
    async fn use_passkey(&self, id: PasskeyId, counter: u32, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Removes one of a person's passkeys, and with their last factor their recovery codes; false if they have no such one. With
    /// the last factor no session has proved one any more.
    async fn remove_passkey(&self, user: UserId, id: PasskeyId, request: RequestId) -> Result<bool, StoreError>;
}

/// A ceremony under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// The digest of its token.
    pub digest: TokenDigest,
    /// What it is for.
    pub kind: CeremonyKind,
    /// The digest of its challenge.
    pub challenge: TokenDigest,
    /// Who must answer, if that is known.
    pub user: Option<UserId>,
    /// Where they want to be let in, if that is known.
    pub tenant: Option<TenantId>,
    /// Whether whoever began it proved a second factor.
    pub second_factor: bool,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// A passkey about to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What its authenticator knows it by.
    pub credential: Vec<u8>,
    /// What verifies its signatures.
    pub key: PublicKey,
    /// How often it has signed, if it counts.
    pub counter: u32,
    /// What its person calls it.
    pub name: PasskeyName,
    /// The session in which it is added.
    pub session: SessionId,
    /// Whether they proved another factor, as they must if they have one.
    pub proven: bool,
    /// When.
    pub now: DateTime<Utc>,
    /// In which request.
    pub request: RequestId,
}

/// What became of a passkey that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It was added.
    Added,
    /// The person has another factor by now, which was not proved.
    Unproven,
    /// The person has [`MOST_PASSKEYS`].
    TooMany,
    /// Somebody has it already.
    Taken,
}

/// A passkey that was added.
#[derive(Debug)]
pub struct AddedPasskey {
    /// The passkey.
    pub passkey: OwnPasskey,
    /// Whom to notify.
    pub email: Email,
    /// For whoever had none: recovery codes.
    pub codes: Vec<String>,
}

/// A passkey as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// What its authenticator knows it by.
    pub credential: Vec<u8>,
    /// What its person calls it.
    pub name: PasskeyName,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last used to log in.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A passkey as it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What verifies its signatures.
    pub key: PublicKey,
}

/// What an authenticator is to make a passkey from.
#[derive(Debug)]
pub struct PasskeyOffer {
    /// Names the ceremony.
    pub ceremony: CeremonyToken,
    /// What is to be answered.
    pub challenge: String,
    /// Whose passkey it is to be: their id as authenticators keep it, and what they log in with.
    pub user: (String, String),
    /// The credentials the person has already.
    pub known: Vec<String>,
}

/// A passkey that was just made, as a browser hands it over: all but the ceremony in base64url.
#[derive(Clone, Copy)]
pub struct PasskeyMade<'a> {
    /// The token of the ceremony.
    pub ceremony: &'a str,
    /// The credential's id.
    pub id: &'a str,
    /// What the browser says was asked.
    pub client_data: &'a str,
    /// What the authenticator says, with an attestation.
    pub attestation: &'a str,
}

/// Why a passkey was not added.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// Password or code, or something that could not be found out.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// It is not what was asked for.
    #[error("the passkey is not good")]
    Flawed(#[from] Flaw),
    /// Somebody has it already.
    #[error("the passkey exists already")]
    Taken,
    /// The person has as many as they may.
    #[error("there are {MOST_PASSKEYS} passkeys already")]
    TooMany,
}

impl From<StoreError> for PasskeyError {
    fn from(error: StoreError) -> Self {
        Self::Factor(error.into())
    }
}

impl Authenticator {
    /// Who passkeys are for.
    pub const fn relying_party(&self) -> &RelyingParty {
        &self.relying_party
    }

    /// A person's passkeys.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<OwnPasskey>, StoreError> {
        self.passkeys.passkeys_of(user).await
    }

    /// Removes one of a person's passkeys, for somebody who proves both factors once more. Tells who to notify; `None` if they
    /// have no such one.
    pub async fn remove_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        (password, code): (&str, &str),
        request: RequestId,
    ) -> Result<Option<Email>, FactorError> {
        if !self.passkeys(user).await?.iter().any(|own| own.id == id) {
            return Ok(None);
        }
        let email = self.check_password(user, password).await?;
        self.check_code(user, code).await?;
        Ok(self.passkeys.remove_passkey(user, id, request).await?.then_some(email))
    }

    /// Begins to add a passkey, for somebody who proves their password once more, and a code if they have a second factor.
    pub async fn begin_passkey(
        &self,
        user: UserId,
        password: &str,
        code: Option<&str>,
    ) -> Result<PasskeyOffer, PasskeyError> {
        let email = self.check_password(user, password).await?;
        let second_factor = self.check_factor(user, code).await?;
        let known = self.passkeys(user).await?.iter().map(|it| URL_SAFE_NO_PAD.encode(&it.credential)).collect();
        let asked = Asked { user: Some(user), tenant: None, second_factor };
        let (ceremony, challenge) = self.begin_ceremony(CeremonyKind::Registration, asked).await?;
        let handle = URL_SAFE_NO_PAD.encode(user.as_uuid().as_bytes());
        Ok(PasskeyOffer { ceremony, challenge, user: (handle, email.to_string()), known })
    }

    /// Adds a passkey that was made. Whoever has no recovery codes gets some. If it is the person's first factor, all their
    /// sessions end but this one.
    pub async fn finish_passkey(
        &self,
        (user, session): (UserId, SessionId),
        made: PasskeyMade<'_>,
        name: PasskeyName,
        request: RequestId,
    ) -> Result<AddedPasskey, PasskeyError> {
        let now = self.clock.now();
        let ceremony = self.take_ceremony(made.ceremony, CeremonyKind::Registration).await?.ok_or(Flaw::Ceremony)?;
        if ceremony.user != Some(user) {
            return Err(Flaw::Person.into());
        }
        let client_data = decoded(made.client_data).ok_or(Flaw::ClientData)?;
        let attestation = decoded(made.attestation).ok_or(Flaw::Attestation)?;
        let registered = self.relying_party.registered(&ceremony.challenge, &client_data, &attestation)?;
        if decoded(made.id).as_ref() != Some(&registered.credential) {
            return Err(Flaw::AuthenticatorData.into());
        }
        let email = self.accounts.find(user).await?.ok_or(Flaw::Person)?.email;
        let (id, Registered { credential, key, counter }) = (PasskeyId::generate(), registered);
        let passkey =
            OwnPasskey { id, credential: credential.clone(), name: name.clone(), created_at: now, last_used_at: None };
        let proven = ceremony.second_factor;
        let new = NewPasskey { id, user, credential, key, counter, name, session, proven, now, request };
        match self.passkeys.add_passkey(&new).await? {
            Addition::Added => {}
            Addition::Unproven => return Err(Flaw::Ceremony.into()),
            Addition::TooMany => return Err(PasskeyError::TooMany),
            Addition::Taken => return Err(PasskeyError::Taken),
        }
        let has_codes = self.factors.recovery_left(user).await? > 0;
        let codes = if has_codes { Vec::new() } else { self.new_recovery_codes(user, request).await? };
        Ok(AddedPasskey { passkey, email, codes })
    }

    async fn begin_ceremony(
        &self,
        kind: CeremonyKind,
        Asked { user, tenant, second_factor }: Asked,
    ) -> Result<(CeremonyToken, String), StoreError> {
        let (token, now) = (CeremonyToken::generate(), self.clock.now());
        let challenge = opaque::encode("", &opaque::random());
        let ceremony = Ceremony {
            digest: token.digest(),
            kind,
            challenge: TokenDigest::of(&challenge),
            user,
            tenant,
            second_factor,
            expires_at: now + CEREMONY_LIFETIME,
        };
        self.passkeys.begin_ceremony(&ceremony, now).await?;
        Ok((token, challenge))
    }

    async fn take_ceremony(&self, token: &str, kind: CeremonyKind) -> Result<Option<Ceremony>, StoreError> {
        let Some(token) = CeremonyToken::parse(token) else { return Ok(None) };
        self.passkeys.take_ceremony(&token.digest(), kind, self.clock.now()).await
    }
}

/// Who is to answer, if that is known, and what they have proved.
#[derive(Clone, Copy, Default)]
struct Asked {
    user: Option<UserId>,
    tenant: Option<TenantId>,
    second_factor: bool,
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;

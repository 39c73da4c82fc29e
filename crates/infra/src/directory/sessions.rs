//! How a session with tokens begins, through the functions of `migrations/registry/0020_hardening`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use tenantry_auth::{Begun, Ground, NewSession, PasswordHash};
use tenantry_tenancy::StoreError;

use super::granted;
use crate::connection::Pool;

#[derive(QueryableByName)]
struct BegunRow {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
    #[diesel(sql_type = Timestamptz)]
    ends_at: DateTime<Utc>,
}

pub(super) async fn begin(pool: &Pool, new: &NewSession) -> Result<Option<Begun>, StoreError> {
    let begun: Option<BegunRow> = match &new.ground {
        Ground::Proof(proof) => {
            let question =
                diesel::sql_query("SELECT * FROM registry.open_proven_session($1, $2, $3, $4, $5, $6, $7, $8, $9)")
                    .bind::<SqlUuid, _>(new.session.as_uuid())
                    .bind::<SqlUuid, _>(new.user.as_uuid())
                    .bind::<SqlUuid, _>(new.tenant.as_uuid())
                    .bind::<Bytea, _>(new.digest.as_bytes().as_slice())
                    .bind::<Timestamptz, _>(new.now)
                    .bind::<Timestamptz, _>(new.expires_at)
                    .bind::<Timestamptz, _>(new.ends_at)
                    .bind::<Nullable<Text>, _>(proof.password_hash.as_ref().map(PasswordHash::as_str))
                    .bind::<Bool, _>(proof.second_factor);
            pool.load(question).await?.pop()
        }
        Ground::Session(source) => {
            let question = diesel::sql_query("SELECT * FROM registry.switch_session($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind::<SqlUuid, _>(source.as_uuid())
                .bind::<SqlUuid, _>(new.session.as_uuid())
                .bind::<SqlUuid, _>(new.user.as_uuid())
                .bind::<SqlUuid, _>(new.tenant.as_uuid())
                .bind::<Bytea, _>(new.digest.as_bytes().as_slice())
                .bind::<Timestamptz, _>(new.now)
                .bind::<Timestamptz, _>(new.expires_at)
                .bind::<Timestamptz, _>(new.ends_at);
            pool.load(question).await?.pop()
        }
    };
    let Some(BegunRow { role, permissions, ends_at }) = begun else { return Ok(None) };
    Ok(Some(Begun { grant: granted(&role, permissions.as_deref())?, ends_at }))
}

//! Invitations and sign-ups, through the functions of `migrations/registry/0014_invitations`.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Bytea, Interval, Nullable, Text, Timestamptz};
use tenantry_auth::{Acceptance, Invited, JoiningStore, NewSignup, PasswordHash, Signup, TokenDigest};
use tenantry_tenancy::{Email, PersonName, Slug, StoreError};

use super::{PgDirectory, interval};
use crate::rows::{parsed, trusted};

#[derive(QueryableByName)]
struct InvitedRow {
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Nullable<Text>)]
    password_hash: Option<String>,
}

#[derive(QueryableByName)]
struct SignupRow {
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    plan: String,
    #[diesel(sql_type = Bool)]
    has_password: bool,
}

#[derive(QueryableByName)]
struct AskedRow {
    #[diesel(sql_type = Bool)]
    asked: bool,
}

mod registry {
    use diesel::sql_types::{Bytea, Nullable, Text, Timestamptz, Uuid};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[sql_name = "registry.accept_invitation"]
        fn accept_invitation(
            digest: Bytea,
            moment: Timestamptz,
            proven: Nullable<Text>,
            fresh_id: Uuid,
            fresh_hash: Nullable<Text>,
            fresh_name: Nullable<Text>,
            request: Uuid,
        ) -> Bool;

        #[sql_name = "registry.finish_signup"]
        fn finish_signup(digest: Bytea, fresh_hash: Nullable<Text>, fresh_name: Nullable<Text>) -> Bool;
    }
}

#[async_trait]
impl JoiningStore for PgDirectory {
    async fn invited(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<Invited>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.invitation($1, $2)")
            .bind::<Bytea, _>(digest.as_bytes().as_slice())
            .bind::<Timestamptz, _>(now);
        let Some(row) = self.pool.load::<_, InvitedRow, _>(question).await?.pop() else { return Ok(None) };
        Ok(Some(Invited {
            email: trusted(Email::parse(&row.email))?,
            tenant: trusted(Slug::parse(&row.slug))?,
            password_hash: row.password_hash.map(PasswordHash::parse).transpose().map_err(StoreError::internal)?,
        }))
    }

    async fn accept(&self, acceptance: &Acceptance) -> Result<bool, StoreError> {
        let question = diesel::select(registry::accept_invitation(
            acceptance.digest.as_bytes().as_slice(),
            acceptance.now,
            acceptance.proven.as_ref().map(PasswordHash::as_str),
            acceptance.fresh.as_uuid(),
            acceptance.chosen.as_ref().map(PasswordHash::as_str),
            acceptance.name.as_ref().map(PersonName::as_str),
            acceptance.request.as_uuid(),
        ));
        Ok(self.pool.load::<_, bool, _>(question).await? == [true])
    }

    async fn ask(&self, new: &NewSignup, pause: Duration) -> Result<bool, StoreError> {
        let question = diesel::sql_query("SELECT registry.ask_for_tenant($1, $2, $3, $4, $5, $6, $7) AS asked")
            .bind::<Text, _>(new.signup.email.as_str())
            .bind::<Bytea, _>(new.digest.as_bytes().as_slice())
            .bind::<Text, _>(new.signup.slug.as_str())
            .bind::<Text, _>(new.signup.plan.as_str())
            .bind::<Timestamptz, _>(new.now)
            .bind::<Interval, _>(interval(pause)?)
            .bind::<Timestamptz, _>(new.expires_at);
        Ok(self.pool.load::<_, AskedRow, _>(question).await?.pop().is_some_and(|row| row.asked))
    }

    async fn asked(&self, digest: &TokenDigest, now: DateTime<Utc>) -> Result<Option<(Signup, bool)>, StoreError> {
        let question = diesel::sql_query("SELECT * FROM registry.asked_for_tenant($1, $2)")
            .bind::<Bytea, _>(digest.as_bytes().as_slice())
            .bind::<Timestamptz, _>(now);
        let Some(row) = self.pool.load::<_, SignupRow, _>(question).await?.pop() else { return Ok(None) };
        let (email, slug) = (trusted(Email::parse(&row.email))?, trusted(Slug::parse(&row.slug))?);
        Ok(Some((Signup { email, slug, plan: parsed(&row.plan)? }, row.has_password)))
    }

    async fn finish(
        &self,
        digest: &TokenDigest,
        chosen: Option<&PasswordHash>,
        name: Option<&PersonName>,
    ) -> Result<(), StoreError> {
        let question = diesel::select(registry::finish_signup(
            digest.as_bytes().as_slice(),
            chosen.map(PasswordHash::as_str),
            name.map(PersonName::as_str),
        ));
        self.pool.load::<_, bool, _>(question).await?;
        Ok(())
    }
}

//! The registry's tables as diesel sees them.

diesel::table! {
    registry.tenants (id) {
        id -> Uuid,
        slug -> Text,
        plan -> Text,
        placement -> Text,
        status -> Text,
        settings -> Jsonb,
        owner_email -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.provisioning_steps (tenant_id, step) {
        tenant_id -> Uuid,
        step -> Text,
    }
}

diesel::table! {
    registry.users (id) {
        id -> Uuid,
        email -> Text,
        password_hash -> Nullable<Text>,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.memberships (tenant_id, user_id) {
        tenant_id -> Uuid,
        user_id -> Uuid,
        role -> Text,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.domains (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        challenge -> Text,
        verified_at -> Nullable<Timestamptz>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.invitations (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        email -> Text,
        role -> Text,
        digest -> Binary,
        expires_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    registry.signups (email) {
        email -> Text,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    registry.security_events (id) {
        id -> Uuid,
        at -> Timestamptz,
        kind -> Text,
        tenant_id -> Nullable<Uuid>,
        actor -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Uuid,
    }
}

diesel::table! {
    registry.roles (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        description -> Text,
        permissions -> Array<Text>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.api_clients (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        permissions -> Array<Text>,
        enabled -> Bool,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.api_keys (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        prefix -> Text,
        digest -> Binary,
        scopes -> Array<Text>,
        networks -> Nullable<Array<Text>>,
        expires_at -> Nullable<Timestamptz>,
        replaced_by -> Nullable<Uuid>,
        version -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    registry.api_client_secrets (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        api_client_id -> Uuid,
        digest -> Binary,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    registry.api_client_sessions (id) {
        id -> Uuid,
        ends_at -> Timestamptz,
    }
}

diesel::table! {
    registry.operators (id) {
        id -> Uuid,
        email -> Text,
        token_digest -> Binary,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    registry.acting_grants (id) {
        id -> Uuid,
        operator_id -> Uuid,
        tenant_id -> Uuid,
        service -> Nullable<Text>,
        reason -> Text,
        permissions -> Array<Text>,
        request_id -> Uuid,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        revoked_by -> Nullable<Uuid>,
        revoking_request_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    registry.sessions (id) {
        id -> Uuid,
        ends_at -> Timestamptz,
    }
}

diesel::table! {
    registry.changes (id) {
        id -> Int8,
        at -> Timestamptz,
    }
}

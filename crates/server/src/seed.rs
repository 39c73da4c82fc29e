//! Tenants to try the API with, and a file of tokens for them. Development only.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use serde::Serialize;
use tenantry_app::{TenantStore, TenantTx};
use tenantry_auth::{
    ClientSecret, CredentialStore, Ground, Holder, NewSession, Password, Passwords, Proof, RefreshToken,
};
use tenantry_tenancy::api_clients::{ApiClientName, NewApiClient, SecretDigest};
use tenantry_tenancy::api_keys::{self, ApiKeyName, Maker, Terms};
use tenantry_tenancy::provisioning::{NewTenant, provision};
use tenantry_tenancy::{
    Actor, ApiClientId, Email, Expected, Limit, PageQuery, PermissionSet, Placement, Plan, RequestId, Role, SchemaName,
    SessionId, Slug, StoreError, SystemClock, Tenant, TenantId, TenantScope, UserId,
};
use tenantry_work::projects::{NewProject, ProjectDescription, ProjectId, ProjectName, ProjectStatus};
use tenantry_work::tasks::{self, NewTask, TaskDescription, TaskError, TaskId, TaskPriority, TaskStatus, TaskTitle};

use crate::keys::write_private;
use crate::services::Services;
use crate::settings::Settings;

/// Where the tokens are written.
pub const TOKENS_FILE: &str = "test_tokens.json";
/// What the machine client and the key of each tenant are called.
const SEEDED: &str = "Development";
/// How long the access tokens in the file are good.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const TENANTS: [(&str, Plan, Placement); 3] = [
    ("acme", Plan::Standard, Placement::Pooled),
    ("globex", Plan::Free, Placement::Pooled),
    ("initech", Plan::Enterprise, Placement::Schema),
];
const ROLES: [Role; 3] = [Role::Owner, Role::Member, Role::Viewer];

/// Makes three tenants with people, projects and tasks. Doing it again makes what is missing.
pub async fn seed(settings: &Settings, services: &Services, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
    ensure!(settings.is_development(), "production is not seeded");
    let passwords = Passwords::new(settings.passwords())?;
    let store = services.store(1)?;
    for (slug, plan, placement) in TENANTS {
        progress(&format!("seeding {slug}"));
        let new = NewTenant { slug: Slug::parse(slug)?, plan, placement, owner: email(Role::Owner, slug)? };
        let tenant = provision(&*services.registry, services.storage.as_deref(), &new).await?;
        for role in ROLES {
            let user = services.registry.ensure_user(&email(role, slug)?).await?;
            services.registry.ensure_member(tenant.id, user, role).await?;
            let hash = passwords.hash(&Password::parse(&password(role, slug))?).await?;
            services.registry.set_first_password(user, &hash).await?;
        }
        fill(&store, &tenant).await.with_context(|| format!("{slug} cannot be filled"))?;
    }
    Ok(())
}

/// Projects and tasks, unless there are some.
async fn fill(store: &TenantStore, tenant: &Tenant) -> Result<(), TaskError> {
    let scope = TenantScope::grant(tenant.id, tenant.schema(), Actor::System, RequestId::generate());
    let sample = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let project = |name: &str, status| -> Result<_, tenantry_tenancy::text::InvalidText> {
            let (id, name) = (ProjectId::generate(), ProjectName::parse(name)?);
            let description = ProjectDescription::parse(format!("A project of {}.", tenant.slug))?;
            Ok(NewProject { id, name, description, status })
        };
        let projects = [
            project("Website relaunch", ProjectStatus::Active)?,
            project("Warehouse move", ProjectStatus::Active)?,
            project("Last year's audit", ProjectStatus::Completed)?,
        ];
        let mut tasks = Vec::new();
        for project in &projects {
            for (title, status, priority) in [
                ("Write the plan", TaskStatus::Done, TaskPriority::High),
                ("Do the work", TaskStatus::InProgress, TaskPriority::Medium),
                ("Tell everybody", TaskStatus::Todo, TaskPriority::Low),
            ] {
                tasks.push(NewTask {
                    id: TaskId::generate(),
                    project: project.id,
                    title: TaskTitle::parse(title)?,
                    description: TaskDescription::default(),
                    status,
                    priority,
                    assignee: None,
                    due: None,
                    creator: None,
                });
            }
        }
        Ok((projects, tasks))
    };
    let (projects, tasks) = sample().map_err(StoreError::internal)?;
    store
        .write(&scope, async |tx| {
            if !tx.work().projects().list(&Default::default()).await?.items.is_empty() {
                return Ok(());
            }
            for project in &projects {
                tx.work().projects().insert(project).await?;
            }
            for task in &tasks {
                tasks::create(tx.work(), &SystemClock, task).await?;
            }
            Ok(())
        })
        .await
}

#[derive(Serialize)]
struct TokensFile {
    tenants: Vec<TenantTokens>,
}

#[derive(Serialize)]
struct TenantTokens {
    id: TenantId,
    slug: String,
    placement: Placement,
    users: Vec<UserTokens>,
    access_token: String,
    refresh_token: String,
    api_key: String,
    client_id: ApiClientId,
    client_secret: String,
}

#[derive(Serialize)]
struct UserTokens {
    #[serde(skip)]
    user: UserId,
    username: String,
    password: String,
    role: Role,
    access_token: String,
    refresh_token: String,
}

/// Writes fresh tokens of the seeded people to a file only its owner can read; tells the first tenant's owner's.
pub async fn write_tokens(settings: &Settings, services: &Services, path: &Path) -> Result<Option<String>> {
    ensure!(settings.is_development(), "production hands out no tokens");
    let store = services.store(1)?;
    let mut tenants = Vec::new();
    for (slug, _, placement) in TENANTS {
        let mut users = Vec::new();
        let mut tenant = None;
        for role in ROLES {
            if let Some((id, tokens)) = log_in(settings, services, role, slug).await? {
                tenant = Some(id);
                users.push(tokens);
            }
        }
        // Somebody may have removed or suspended a seeded tenant; that is their good right.
        let (Some(id), Some(owner)) = (tenant, users.first()) else { continue };
        let (access_token, refresh_token) = (owner.access_token.clone(), owner.refresh_token.clone());
        let api_key = make_key(services, &store, (id, placement), owner).await?;
        let (client_id, client_secret) = client(services, id).await?;
        tenants.push(TenantTokens {
            id,
            slug: slug.to_owned(),
            placement,
            users,
            access_token,
            refresh_token,
            api_key,
            client_id,
            client_secret: client_secret.reveal().to_owned(),
        });
    }
    let first = tenants.first().map(|tenant| tenant.access_token.clone());
    write_private(path, &serde_json::to_string_pretty(&TokensFile { tenants })?)?;
    Ok(first)
}

/// The tenant's seeded machine client, made anew: nobody can tell the secret of the one before.
async fn client(services: &Services, tenant: TenantId) -> Result<(ApiClientId, ClientSecret)> {
    let name = ApiClientName::parse(SEEDED)?;
    let (new, secret) =
        (NewApiClient { id: ApiClientId::generate(), name, scopes: PermissionSet::BUSINESS }, ClientSecret::generate());
    services.registry.remove_api_clients(tenant, &new.name).await?;
    services.registry.add_api_client(tenant, &new, &SecretDigest(*secret.digest().as_bytes())).await?;
    Ok((new.id, secret))
}

/// Begins a session without asking for the password, whose check would take a while for each of them.
async fn log_in(
    settings: &Settings,
    services: &Services,
    role: Role,
    slug: &str,
) -> Result<Option<(TenantId, UserTokens)>> {
    let email = email(role, slug)?;
    let Some(login) = services.directory.login(&email).await? else { return Ok(None) };
    let Some(membership) = login.memberships.iter().find(|membership| membership.slug.as_str() == slug) else {
        return Ok(None);
    };
    let tokens = settings.tokens();
    let (refresh, now) = (RefreshToken::generate(), Utc::now());
    let session = NewSession {
        session: SessionId::generate(),
        user: login.user,
        tenant: membership.tenant,
        digest: refresh.digest(),
        now,
        expires_at: now + tokens.refresh_lifetime,
        ends_at: now + tokens.session_lifetime,
        ground: Ground::Proof(Proof { password_hash: login.password_hash, second_factor: false }),
    };
    let Some(begun) = services.directory.begin_session(&session).await? else { return Ok(None) };
    let holder = Holder::member(login.user, membership.tenant, session.session, begun.grant);
    let tokens = UserTokens {
        user: login.user,
        username: email.to_string(),
        password: password(role, slug),
        role,
        access_token: services.auth.issue_for(&holder, DAY)?,
        refresh_token: refresh.reveal(),
    };
    Ok(Some((membership.tenant, tokens)))
}

/// A key with all that its holder may do, in place of the one that was made at the last start.
async fn make_key(
    services: &Services,
    store: &TenantStore,
    (tenant, placement): (TenantId, Placement),
    holder: &UserTokens,
) -> Result<String> {
    let schema = SchemaName::of(tenant, placement);
    let scope = TenantScope::grant(tenant, schema, Actor::User(holder.user), RequestId::generate());
    let permissions = holder.role.permissions();
    let maker = Maker { user: holder.user, permissions, key: None, max_age: None };
    let terms = Terms { name: ApiKeyName::parse(SEEDED)?, scopes: permissions, networks: None, expires_at: None };
    let text = services.auth.new_api_key();
    let make = async |tx: &mut TenantTx| {
        let keys = tx.access().api_keys();
        let page = PageQuery { limit: Limit::LARGEST, ..PageQuery::default() };
        for old in keys.list(&page).await?.items {
            if (old.name.as_str(), old.holder) == (SEEDED, holder.user) {
                api_keys::revoke(keys, old.id, &Expected::ANY).await?;
            }
        }
        api_keys::make(keys, &SystemClock, &maker, text.imprint(), terms).await
    };
    store.write(&scope, make).await?;
    Ok(text.reveal().to_owned())
}

fn email(role: Role, slug: &str) -> Result<Email> {
    Ok(Email::parse(&format!("{role}@{slug}.example"))?)
}

fn password(role: Role, slug: &str) -> String {
    format!("{slug}-{role}-development")
}

//! `/api/v1/inventory/stock-movements`. Movements are recorded and never changed, so there is nothing to replace or delete.

use actix_web::http::Method;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenantry_inventory::products::ProductId;
use tenantry_inventory::stock_movements::{
    self, NewStockMovement, Quantity, StockMovement, StockMovementError, StockMovementId, StockMovementNote,
    StockMovementQuery, StockMovementReason,
};
use tenantry_tenancy::permissions::needs::{ReadStockMovements, WriteStockMovements};
use tenantry_tenancy::{Limit, Order};
use utoipa::{IntoParams, ToSchema};

use crate::cursor::Cursors;
use crate::extract::{Body, Can, PathId, Query};
use crate::list::{List, PageView, Paging, spelled};
use crate::once::Store;
use crate::problem::ApiError;
use crate::reply::{Created, Show};
use crate::routes::Routes;

const PATH: &str = "/api/v1/inventory/stock-movements";

pub(crate) fn routes(routes: &mut Routes) {
    routes.tenant(Method::GET, PATH, "List stock movements", list);
    routes.tenant(Method::POST, PATH, "Record a stock movement", create);
    routes.tenant(Method::GET, "/api/v1/inventory/stock-movements/{id}", "Show a stock movement", show);
}

/// What came into stock or went out of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockMovementView {
    id: StockMovementId,
    product: ProductId,
    /// What came in is positive, what went out negative.
    quantity: Quantity,
    reason: StockMovementReason,
    note: StockMovementNote,
    created_at: DateTime<Utc>,
}

impl From<StockMovement> for StockMovementView {
    fn from(movement: StockMovement) -> Self {
        let StockMovement { id, product, quantity, reason, note, created_at } = movement;
        Self { id, product, quantity, reason, note, created_at }
    }
}

/// A movement to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockMovementBody {
    product: ProductId,
    /// What comes in is positive, what goes out negative.
    quantity: Quantity,
    reason: StockMovementReason,
    /// Empty if not given.
    #[serde(default)]
    note: Option<StockMovementNote>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct StockMovementFilter {
    /// How many at the most. Of large ones fewer come, and then there is a next page.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// In which order.
    #[param(inline)]
    sort: Option<Order>,
    /// Only those of this product.
    #[param(inline)]
    product: Option<ProductId>,
}

async fn list(
    caller: Can<ReadStockMovements>,
    store: Store,
    cursors: Data<Cursors>,
    Query(filter): Query<StockMovementFilter>,
) -> Result<PageView<StockMovementView>, ApiError> {
    let paging = Paging { limit: filter.limit, cursor: filter.cursor.as_deref(), sort: filter.sort };
    let name = format!("stock-movements?{}", spelled(filter.product));
    let list = List::open(&cursors, caller.tenant(), name, &paging)?;
    let query = StockMovementQuery { product: filter.product, page: list.page };
    let page = store.read(&caller, async |tx| tx.inventory().stock_movements().list(&query).await).await?;
    list.view(page)
}

async fn create(
    caller: Can<WriteStockMovements>,
    store: Store,
    Body(body): Body<StockMovementBody>,
) -> Result<Created<StockMovementView>, ApiError> {
    let StockMovementBody { product, quantity, reason, note } = body;
    let new =
        NewStockMovement { id: StockMovementId::generate(), product, quantity, reason, note: note.unwrap_or_default() };
    let movement = store.write(&caller, async |tx| tx.inventory().stock_movements().insert(&new).await).await?;
    Ok(Created { location: format!("{PATH}/{}", movement.id), view: movement.into() })
}

async fn show(
    caller: Can<ReadStockMovements>,
    store: Store,
    PathId(id): PathId<StockMovementId>,
) -> Result<Show<StockMovementView>, ApiError> {
    let movement = store.read(&caller, async |tx| stock_movements::show(tx.inventory(), id).await).await?;
    Ok(Show(movement.into()))
}

impl From<StockMovementError> for ApiError {
    fn from(error: StockMovementError) -> Self {
        match error {
            StockMovementError::NotFound(_) => Self::not_found("stock movement"),
            StockMovementError::ProductUnknown(_) => Self::invalid("product", "unknown", "there is no such product"),
            StockMovementError::OutOfStock(_) => Self::conflict("quantity", "is more than there is in stock"),
            StockMovementError::Store(error) => error.into(),
        }
    }
}

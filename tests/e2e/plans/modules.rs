//! The lists of the modules beside projects and tasks: their rows, and every query that the API can ask of them.

use tenantry_app::TenantTx;
use tenantry_billing::invoices::{CustomerId, InvoiceOrder, InvoiceQuery, InvoiceStatus};
use tenantry_crm::customers::{CustomerOrder, CustomerQuery, CustomerStatus};
use tenantry_inventory::products::{ProductId, ProductOrder, ProductQuery, ProductStatus};
use tenantry_inventory::stock_movements::StockMovementQuery;
use tenantry_inventory::suppliers::{SupplierOrder, SupplierQuery, SupplierStatus};
use tenantry_tenancy::{Limit, Moment, Order, PageQuery, SchemaName, Search, SortedQuery, StoreError};
use tenantry_work::documents::{DocumentOrder, DocumentQuery};
use tenantry_work::projects::ProjectId;
use uuid::Uuid;

/// As many of each as there are projects, with the same ids, names and times.
pub(super) fn rows(schema: SchemaName) -> String {
    let party = "phone, address, notes, status, updated_at) select tenant_id, id, name, 'a@example.com', '', '', '',
        (array['active', 'archived'])[length(name) % 2 + 1], updated_at from";
    let disable = |table: &str| format!("alter table {schema}.{table} disable trigger capture;");
    let tables = ["documents", "customers", "suppliers", "products", "stock_movements", "invoices"];
    let disabled: String = tables.iter().map(|table| disable(table)).collect();
    let analysed: String = tables.iter().map(|table| format!("analyze {schema}.{table};")).collect();
    format!(
        "{disabled}
         insert into {schema}.documents (tenant_id, id, project_id, title, updated_at)
           select tenant_id, id, id, name, updated_at from {schema}.projects;
         insert into {schema}.customers (tenant_id, id, name, email, {party} {schema}.projects;
         insert into {schema}.suppliers (tenant_id, id, name, email, {party} {schema}.projects;
         insert into {schema}.products (tenant_id, id, name, sku, description, status, updated_at)
           select tenant_id, id, name, id, '', (array['active', 'archived'])[length(name) % 2 + 1], updated_at from {schema}.projects;
         insert into {schema}.stock_movements (tenant_id, id, product_id, quantity, reason, note)
           select tenant_id, id, id, 1, 'purchase', '' from {schema}.projects;
         insert into {schema}.invoices (tenant_id, id, customer_id, bill_to, currency, lines, net, tax, series, notes, status, updated_at)
           select tenant_id, id, id, name, 'EUR',
             '[{{\"description\": \"x\", \"quantity\": \"1\", \"unit_price\": 1, \"tax_basis_points\": 0}}]', 1, 0, 'INV', '', 'draft', updated_at
           from {schema}.projects;
         insert into {schema}.search_words (tenant_id, resource, word, row_id)
           select tenant_id, resource, name, id
           from {schema}.projects, (values ('documents'), ('customers'), ('suppliers'), ('products'), ('invoices')) resources (resource);
         {analysed} analyze {schema}.search_words;"
    )
}

/// Asks for a list with each combination of three filters, in every order, at the beginning and behind its first row.
macro_rules! ask {
    ($tx:ident, $module:ident, $things:ident, $orders:ty, |$one:ident, $two:ident, $words:ident, $page:ident| $query:expr) => {{
        let mut first = None;
        for (order, behind) in <$orders>::ALL.iter().flat_map(|order| [(order, false), (order, true)]) {
            for filters in 0..8 {
                let given = |bit: u8| filters & (1 << bit) != 0;
                let after = first.as_ref().filter(|_| behind).map(|it| order.position(it));
                let ($one, $two) =
                    (given(0).then_some(()), Moment::parse("2028-02-29T12:00:00Z").ok().filter(|_| given(1)));
                let $words = Search::parse("word7 word1").ok().filter(|_| given(2));
                let $page = SortedQuery { after, order: *order, limit: Limit::default() };
                let mut page = $tx.$module().$things().list(&$query).await?;
                first = first.or_else(|| page.items.pop());
            }
        }
        assert!(first.is_some(), "the list is empty");
    }};
}

pub(super) async fn ask(tx: &mut TenantTx) -> Result<(), StoreError> {
    ask!(tx, work, documents, DocumentOrder, |one, updated_since, search, page| DocumentQuery {
        project: one.map(|()| ProjectId::generate()),
        updated_since,
        search,
        page
    });
    ask!(tx, crm, customers, CustomerOrder, |one, updated_since, search, page| CustomerQuery {
        status: one.map(|()| CustomerStatus::Active),
        updated_since,
        search,
        page
    });
    ask!(tx, inventory, suppliers, SupplierOrder, |one, updated_since, search, page| SupplierQuery {
        status: one.map(|()| SupplierStatus::Active),
        updated_since,
        search,
        page
    });
    ask!(tx, inventory, products, ProductOrder, |one, updated_since, search, page| ProductQuery {
        status: one.map(|()| ProductStatus::Active),
        updated_since,
        search,
        page
    });
    for customer in [None, Some(CustomerId::generate())] {
        ask!(tx, billing, invoices, InvoiceOrder, |one, updated_since, search, page| InvoiceQuery {
            status: one.map(|()| InvoiceStatus::Draft),
            customer: customer.filter(|_| page.after.is_some()),
            updated_since,
            search,
            page
        });
    }
    for order in [Order::Newest, Order::Oldest] {
        for after in [None, Some(Uuid::now_v7())] {
            for product in [None, Some(ProductId::generate())] {
                let page = PageQuery { after, limit: Limit::default(), order };
                tx.inventory().stock_movements().list(&StockMovementQuery { product, page }).await?;
            }
        }
    }
    Ok(())
}

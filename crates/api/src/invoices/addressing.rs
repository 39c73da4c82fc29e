//! Whom a draft is for, if it only names a customer. Here, since no module knows another.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_app::TenantTx;
use tenantry_auth::Principal;
use tenantry_billing::invoices::{BillTo, InvoiceError, NewInvoice};
use tenantry_crm::customers::{Customer, CustomerId};
use tenantry_tenancy::permissions::needs::{ReadCustomers, WriteInvoices};
use tenantry_tenancy::{Requires, StoreError};

use crate::extract::{Can, of_items};
use crate::problem::ApiError;

/// Addresses a draft that does not say whom it is for to its customer.
pub(super) async fn address(
    tx: &mut TenantTx,
    caller: &Can<WriteInvoices>,
    draft: &mut NewInvoice,
) -> Result<(), ApiError> {
    let faults = fill(tx, caller.principal(), std::slice::from_mut(draft)).await?;
    faults.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault))
}

/// Addresses each draft of several that does not say whom it is for to its customer.
pub(super) async fn address_many(
    tx: &mut TenantTx,
    caller: &Can<WriteInvoices>,
    drafts: &mut [NewInvoice],
) -> Result<(), ApiError> {
    let faults = fill(tx, caller.principal(), drafts).await?;
    if faults.is_empty() { Ok(()) } else { Err(of_items(faults)) }
}

/// Tells which of them cannot be addressed, and why.
async fn fill(
    tx: &mut TenantTx,
    principal: &Principal,
    drafts: &mut [NewInvoice],
) -> Result<Vec<(usize, ApiError)>, StoreError> {
    let wanting = |draft: &NewInvoice| draft.customer.filter(|_| draft.bill_to.as_str().is_empty());
    let ids: BTreeSet<_> = drafts.iter().filter_map(wanting).map(|it| CustomerId::from_uuid(it.as_uuid())).collect();
    let may_read = principal.permissions().contains(ReadCustomers::PERMISSION);
    let known: BTreeMap<_, _> = if ids.is_empty() || !may_read {
        BTreeMap::new()
    } else {
        let ids: Vec<_> = ids.into_iter().collect();
        tx.crm().customers().find_many(&ids).await?.into_iter().map(|it| (it.id.as_uuid(), it)).collect()
    };
    let mut faults = Vec::new();
    for (place, draft) in drafts.iter_mut().enumerate() {
        let Some(customer) = wanting(draft) else { continue };
        let filled = if may_read {
            known.get(&customer.as_uuid()).ok_or_else(|| InvoiceError::CustomerUnknown.into()).and_then(printed)
        } else {
            Err(ApiError::invalid("bill_to", "required", "is required of those who may not read customers"))
        };
        match filled {
            Ok(bill_to) => draft.bill_to = bill_to,
            Err(fault) => faults.push((place, fault)),
        }
    }
    Ok(faults)
}

/// Name and address, as they are printed.
fn printed(customer: &Customer) -> Result<BillTo, ApiError> {
    let lines = [customer.name.as_str(), customer.address.as_str()].join("\n");
    BillTo::parse(lines.trim_end()).map_err(|error| {
        let message = format!("is required, since the customer's name and address are no good: they {error}");
        ApiError::invalid("bill_to", "required", message)
    })
}

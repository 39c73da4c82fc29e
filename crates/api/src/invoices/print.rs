//! An invoice as a page to be printed, for those who ask for HTML.

use std::fmt::{self, Write};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder};
use tenantry_billing::invoices::{Invoice, InvoiceStatus};

use super::views::InvoiceView;
use crate::extract::Input;
use crate::openapi::Operation;
use crate::problem::ApiError;
use crate::reply::{Reply, Resource};

const HTML: &str = "text/html";

/// Nothing runs, nothing is fetched, nobody frames it.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox");

const STYLE: &str = "body{font:14px/1.5 sans-serif;max-width:48em;margin:3em auto;padding:0 1em}\
    table{border-collapse:collapse;width:100%;margin:2em 0}th,td{padding:.3em .5em;border-bottom:1px solid #ccc;text-align:right}\
    th:first-child,td:first-child{text-align:left}address,.notes{white-space:pre-line;font-style:normal}\
    .state{font-size:2em;text-transform:uppercase;color:#a00}@media print{body{margin:0}}";

/// What an invoice is to be written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sheet {
    /// For programs.
    Json,
    /// For people.
    Html,
}

impl Input for Sheet {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        let accepted = req.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        // The first that is ours wins; whoever names none of them gets what everybody gets.
        let named =
            accepted.flat_map(|value| value.split(',')).map(|media| media.split(';').next().unwrap_or_default());
        let found = named.map(|media| media.trim().to_ascii_lowercase()).find_map(|media| match media.as_str() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            HTML | "text/*" => Some(Self::Html),
            _ => None,
        });
        Ok(found.unwrap_or(Self::Json))
    }
}

/// An invoice, as it was asked for.
pub(super) struct Printed {
    pub(super) sheet: Sheet,
    pub(super) invoice: Invoice,
}

impl Responder for Printed {
    type Body = BoxBody;

    fn respond_to(self, req: &HttpRequest) -> HttpResponse {
        let page = (self.sheet == Sheet::Html).then(|| page(&self.invoice));
        let mut response = Resource(InvoiceView::from(self.invoice)).respond_to(req);
        if let Some(page) = page.filter(|_| response.status().is_success()) {
            response = response.set_body(BoxBody::new(page));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        }
        response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
        response
    }
}

impl Reply for Printed {
    fn describe(operation: &mut Operation) {
        Resource::<InvoiceView>::describe(operation);
        operation.also_replies(&[HTML]);
    }
}

/// A text in which nothing is HTML.
struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn page(invoice: &Invoice) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, invoice);
    page
}

fn write_page(page: &mut String, invoice: &Invoice) -> fmt::Result {
    let money = |amount| invoice.currency.show(amount);
    let title = invoice.reference().map_or_else(|| "Draft".to_owned(), |reference| format!("Invoice {reference}"));
    let title = Escaped(title);
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>"
    )?;
    if matches!(invoice.status, InvoiceStatus::Paid | InvoiceStatus::Void) {
        write!(page, "<p class=\"state\">{}</p>", invoice.status)?;
    }
    write!(page, "<address>{}</address><p>", Escaped(invoice.bill_to.as_str()))?;
    for (name, day) in [("Issued", invoice.issued_on), ("Due", invoice.due), ("Settled", invoice.settled_on)] {
        if let Some(day) = day {
            write!(page, "{name}: <time>{day}</time><br>")?;
        }
    }
    page.push_str(
        "</p><table><thead><tr><th>Description</th><th>Quantity</th><th>Price</th><th>Tax</th><th>Net</th></tr></thead><tbody>",
    );
    for line in invoice.lines.as_slice() {
        let rate = line.tax_basis_points.get();
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}.{:02} %</td><td>{}</td></tr>",
            Escaped(line.description.as_str()),
            line.quantity,
            money(line.unit_price.get()),
            rate / 100,
            rate % 100,
            money(line.amounts().net)
        )?;
    }
    page.push_str("</tbody><tfoot>");
    let sum = invoice.lines.sum();
    for (name, amount) in [("Net", sum.net), ("Tax", sum.tax), ("Total", sum.total())] {
        write!(page, "<tr><th colspan=\"4\">{name}</th><td>{}</td></tr>", money(amount))?;
    }
    write!(page, "</tfoot></table><p class=\"notes\">{}</p></body></html>", Escaped(invoice.notes.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_html() {
        let escaped = Escaped("<img src=x onerror='alert(1)'> & \"ä\"").to_string();
        assert_eq!(escaped, "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;ä&quot;");
    }
}

//! What handlers take: the caller with its permission, a body, an id from the path, a query.

mod body;
mod bulk;
mod caller;
mod form;
mod pass;
mod path;
mod query;
mod upload;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use tenantry_tenancy::Permission;

use crate::openapi::Operation;
use crate::problem::ApiError;

pub(crate) use body::{Body, present, present_object, refuse as refuse_body};
pub(crate) use bulk::{Bulk, of_items};
pub(crate) use caller::{CameFrom, Can, OperatorCaller, Person, origin, request_id};
pub(crate) use form::{OauthForm, Parameters};
pub(crate) use pass::{Pass, hidden, no_such_file};
pub(crate) use path::PathId;
pub(crate) use query::{Query, refuse as refuse_query};
pub(crate) use upload::{Agreed, Upload};

/// Something a handler takes, and what the document says of it.
///
/// Not actix's `FromRequest`, which reads all inputs of a handler at once: here each is read after the one before, so
/// that nobody is told what is wrong with a body before they have shown that they may send one.
pub(crate) trait Input: Sized + 'static {
    /// Whether it reads the query string. One that nobody reads must be empty.
    const READS_QUERY: bool = false;
    /// Whether it reads the body. One that nobody reads must be empty or `{}`.
    const READS_BODY: bool = false;
    /// Whether the handler reads the body while it comes, and may take as long as an upload.
    const STREAMS_BODY: bool = false;

    /// Reads it.
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError>;

    /// Adds what it is to the operation's description.
    fn describe(_: &mut Operation) {}
}

impl<T: ?Sized + 'static> Input for Data<T> {
    async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        Self::from_request(req, payload).await.map_err(|error| ApiError::internal(error.to_string()))
    }
}

impl Input for HttpRequest {
    async fn read(req: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        Ok(req.clone())
    }
}

/// Inputs that begin with a caller's permission.
pub(crate) trait Guarded: Input {
    /// What the caller needs.
    const PERMISSION: Permission;
}

/// Inputs that begin with a person.
pub(crate) trait PersonGuarded: Input {}

/// Inputs that begin with an operator.
pub(crate) trait OperatorGuarded: Input {}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)+) => {
        $(
            impl<$first: Input, $($rest: Input),*> Input for ($first, $($rest,)*) {
                const READS_QUERY: bool = $first::READS_QUERY $(|| $rest::READS_QUERY)*;
                const READS_BODY: bool = $first::READS_BODY $(|| $rest::READS_BODY)*;
                const STREAMS_BODY: bool = $first::STREAMS_BODY $(|| $rest::STREAMS_BODY)*;

                async fn read(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
                    Ok(($first::read(req, payload).await?, $($rest::read(req, payload).await?,)*))
                }

                fn describe(operation: &mut Operation) {
                    $first::describe(operation);
                    $($rest::describe(operation);)*
                }
            }

            impl<P: tenantry_tenancy::Requires, $($rest: Input),*> Guarded for (Can<P>, $($rest,)*) {
                const PERMISSION: Permission = P::PERMISSION;
            }

            impl<$($rest: Input),*> PersonGuarded for (Person, $($rest,)*) {}

            impl<$($rest: Input),*> OperatorGuarded for (OperatorCaller, $($rest,)*) {}
        )+
    };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
}

impl Input for () {
    async fn read(_: &HttpRequest, _: &mut Payload) -> Result<Self, ApiError> {
        Ok(())
    }
}

//! Every failure of `engine`: its number, its text and its status.

use http::StatusCode;
use otpgate_core::{IdentifierKind, Refusal};

use super::{Envelope, Status};
use crate::Reply;
use crate::operation::Fault;
use crate::profile::{At, RouteName};

pub(super) const UNKNOWN_BRAND: u16 = 1504;
pub(super) const NOT_VALID: u16 = 1519;
pub(super) const NOT_ALLOWED_EMPTY: u16 = 1520;
pub(super) const ANOTHER_CONFIRMATION: u16 = 1521;
pub(super) const NO_PASSWORDS: u16 = 1524;
pub(super) const NO_DESTINATION: u16 = 1540;
pub(super) const INVALID_TYPE: u16 = 1546;

/// The answer for a fault. A number below 1000 is a status of HTTP and comes with it; the others come with 200, or with
/// what they mean in HTTP where the host wants that.
pub(super) fn refuse(fault: Fault, at: At<'_>) -> Reply {
    let code = number(fault, at.route);
    let status = match StatusCode::from_u16(code) {
        Ok(status) if code < 1000 => status,
        _ if at.route.is_none() => StatusCode::UNAUTHORIZED,
        _ if at.wants.real_statuses => meaning(code, fault),
        _ => StatusCode::OK,
    };
    let told = Status { success: false, code, message: text(code) };
    Reply::json(status, &Envelope { status: told, auth: None, user: None, identifiers: None })
}

fn number(fault: Fault, route: Option<RouteName>) -> u16 {
    let refusal = match fault {
        Fault::Numbered(code) => return code,
        Fault::Json | Fault::ManyCredentials => return 400,
        Fault::Invalid(_) | Fault::NotAnObject => return NOT_VALID,
        Fault::UnknownTenant => return UNKNOWN_BRAND,
        Fault::TooLarge => return 413,
        Fault::MediaType => return 415,
        Fault::Method => return 405,
        Fault::NoPeer => return 500,
        Fault::Refused(refusal) => refusal,
    };
    match (refusal, route) {
        (Refusal::TooMany { .. }, _) => 429,
        (Refusal::Unavailable, _) => 503,
        (Refusal::NotFresh, _) => 401,
        // An account or token of another profile's has no place here.
        (Refusal::Defect | Refusal::WrongToken, _) => 500,
        (Refusal::Forbidden, None) => 403,
        (_, Some(RouteName::LogOut)) => 1531,
        (Refusal::Forbidden | Refusal::NotAuthenticated, Some(RouteName::Refresh)) => 1525,
        (Refusal::Forbidden, _) => 1502,
        (Refusal::NotAuthenticated, Some(RouteName::ChangePassword)) => 1523,
        (Refusal::UnknownFlow, _) => 1505,
        (Refusal::MalformedCode | Refusal::WrongCode, _) => 1506,
        (Refusal::ForeignIdentifier(IdentifierKind::Phone), _) => 1507,
        (Refusal::ForeignDevice, _) => 1508,
        (Refusal::ForeignTenant, _) => 1509,
        (Refusal::UnknownUser, _) => 1515,
        (Refusal::BurntCode | Refusal::FlowsLocked { .. } | Refusal::BreakerOpen { .. }, _) => 1518,
        (Refusal::NotRenewable, _) => 1525,
        (Refusal::NoPassword, _) => 1526,
        (Refusal::SamePassword, _) => 1527,
        (Refusal::WrongPassword, _) => 1528,
        (Refusal::ExpiredToken | Refusal::NotAuthenticated, _) => 1529,
        (Refusal::FlowSpent, _) => 1530,
        (Refusal::TooManyCodes { .. }, _) => 1534,
        (Refusal::NoCode, _) => 1537,
        (Refusal::ForeignIdentifier(_), _) => 1541,
        (Refusal::WeakPassword, _) => 1542,
        (Refusal::WrongKey, _) => 1597,
    }
}

/// What a failure is in HTTP.
fn meaning(code: u16, fault: Fault) -> StatusCode {
    match code {
        _ if fault.retry_after().is_some() => StatusCode::TOO_MANY_REQUESTS,
        1515 => StatusCode::NOT_FOUND,
        1502 | 1505..=1509 | 1518 | 1523 | 1525 | 1526 | 1528..=1531 | 1541 | 1597 => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn text(code: u16) -> &'static str {
    match code {
        400 => "Malformed request",
        401 => "Log in again to continue",
        403 => "Forbidden",
        405 => "Method not allowed",
        413 => "Payload too large",
        415 => "Unsupported media type",
        429 => "Rate limit exceeded",
        503 => "Service unavailable",
        1502 => "Unable to validate OTP",
        1504 => "Unsupported brand",
        1505 => "Invalid session",
        1506 => "Invalid OTP",
        1507 => "Mobile is not that of the session",
        1508 => "Device is not that of the session",
        1509 => "Brand is not that of the session",
        1515 => "User does not exist",
        1518 => "Max OTP retries, authenticate from the start",
        1519 => "Invalid details passed",
        1520 => "Password enabled, cannot be empty",
        1521 => "Password and confirmation differ",
        1523 => "Unable to change password",
        1524 => "Password not enabled for brand",
        1525 => "Cannot regenerate token, authenticate again",
        1526 => "Unable to validate password",
        1527 => "New password is the old one",
        1528 => "Invalid password",
        1529 => "Token has expired",
        1530 => "Max password retries, reset your password",
        1531 => "Unable to expire token",
        1534 => "Max number of OTPs per customer",
        1537 => "OTP not generated for the details",
        1540 => "Mobile or email required to send OTP",
        1541 => "Identifier is not that of the session",
        1542 => "Password does not meet the requirements",
        1546 => "Invalid identifierType",
        1597 => "Key expired or not valid",
        _ => "Internal server error",
    }
}

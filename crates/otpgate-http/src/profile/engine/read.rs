//! From the bodies of `engine` to operations.

use otpgate_core::engine::{Device, FlowClaim, NewFlow, TypedCode};
use otpgate_core::secret::{AccessToken, SessionKey};
use otpgate_core::{Code, FlowId, Identifier, Password};
use serde_json::{Map, Value};

use super::words::{
    ANOTHER_CONFIRMATION, INVALID_TYPE, NO_DESTINATION, NO_PASSWORDS, NOT_ALLOWED_EMPTY, NOT_VALID, UNKNOWN_BRAND,
};
use crate::builder::Brand;
use crate::operation::{Fault, Operation};
use crate::profile::{Asked, Wants};

type Body = Map<String, Value>;

const INVALID: Fault = Fault::Numbered(NOT_VALID);

/// A text that is there and not blank.
fn wanted<'a>(body: &'a Body, field: &str) -> Result<&'a str, Fault> {
    given(body, field)?.ok_or(INVALID)
}

/// A text, or nothing where it is missing, null or blank.
fn given<'a>(body: &'a Body, field: &str) -> Result<Option<&'a str>, Fault> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(&**text).filter(|t| !t.trim().is_empty())),
        Some(_) => Err(INVALID),
    }
}

/// The identifier; bodies of older apps have a `mobile` in its place.
fn identifier(body: &Body) -> Result<Identifier, Fault> {
    match (given(body, "identifierType")?, given(body, "identifierValue")?) {
        (None, None) => Identifier::phone(wanted(body, "mobile")?).map_err(|_| INVALID),
        (Some(kind), Some(value)) => identifier_of(kind, value),
        _ => Err(INVALID),
    }
}

/// The identifier of a kind as this profile calls it.
pub(super) fn identifier_of(kind: &str, value: &str) -> Result<Identifier, Fault> {
    let read = match kind {
        "MOBILE" => Identifier::phone,
        "EMAIL" => Identifier::email,
        "USERNAME" => Identifier::username,
        _ => return Err(Fault::Numbered(INVALID_TYPE)),
    };
    read(value).map_err(|_| INVALID)
}

fn brand<'a>(body: &Body, wants: &'a Wants) -> Result<Option<&'a Brand>, Fault> {
    let name = wanted(body, "brand")?;
    Ok(wants.brands.iter().find(|brand| brand.is_called(name)))
}

/// Whether a route asks for a device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    ForOne,
    IfAny,
}

/// What is said of the device; on the web nothing is, and the field is not read.
fn device<const WEB: bool>(body: &Body, asks: Asks) -> Result<Device, Fault> {
    if WEB {
        return Ok(Device::None);
    }
    match given(body, "deviceId")? {
        Some(device) => Ok(Device::Named(device.to_owned())),
        None if asks == Asks::ForOne => Err(INVALID),
        None => Ok(Device::Unsaid),
    }
}

/// What a request says of a session that it has, or of a flow beside its id.
fn claim<const WEB: bool>(body: &Body, wants: &Wants, asks: Asks) -> Result<FlowClaim, Fault> {
    let identifier = identifier(body)?;
    let tenant = brand(body, wants)?.map(|brand| brand.tenant.clone());
    Ok(FlowClaim { flow: None, tenant, identifier, device: device::<WEB>(body, asks)? })
}

/// What a request says of the flow that it goes on with.
fn flow_claim<const WEB: bool>(body: &Body, wants: &Wants, asks: Asks) -> Result<FlowClaim, Fault> {
    let claim = claim::<WEB>(body, wants, asks)?;
    let flow: Option<FlowId> = wanted(body, "sessionId")?.strip_prefix("P-").and_then(|id| id.parse().ok());
    Ok(FlowClaim { flow, ..claim })
}

/// Refuses what needs a password in a brand that has none.
fn expect_passwords(body: &Body, wants: &Wants) -> Result<(), Fault> {
    match brand(body, wants)? {
        Some(brand) if !brand.passwords => Err(Fault::Numbered(NO_PASSWORDS)),
        _ => Ok(()),
    }
}

/// A new password and its confirmation.
fn confirmed(password: &str, confirmation: &str) -> Result<Password, Fault> {
    if password == confirmation { Ok(Password::typed(password)) } else { Err(Fault::Numbered(ANOTHER_CONFIRMATION)) }
}

pub(super) fn open_flow<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let identifier = identifier(body)?;
    let brand = brand(body, wants)?.ok_or(Fault::Numbered(UNKNOWN_BRAND))?;
    let device = match device::<WEB>(body, Asks::IfAny)? {
        Device::Named(device) => Some(device),
        Device::None | Device::Unsaid => None,
    };
    let destination = destination(body, &identifier)?;
    let password = match (given(body, "password")?, given(body, "confirmPassword")?) {
        (None, None) => None,
        (None, Some(_)) => return Err(Fault::Numbered(NOT_ALLOWED_EMPTY)),
        (Some(password), confirmation) => {
            expect_passwords(body, wants)?;
            Some(confirmed(password, confirmation.unwrap_or_default())?)
        }
    };
    let new = NewFlow { identifier, destination, device, password };
    Ok(Asked::of(brand.tenant.clone(), Operation::OpenFlow { new, passwords: brand.passwords }))
}

/// Where the code of a user name goes; a number or address is its own destination.
fn destination(body: &Body, identifier: &Identifier) -> Result<Option<Identifier>, Fault> {
    if identifier.kind() != otpgate_core::IdentifierKind::Username {
        return Ok(None);
    }
    let read = match (given(body, "mobile")?, given(body, "email")?) {
        (Some(mobile), _) => Identifier::phone(mobile),
        (None, Some(email)) => Identifier::email(email),
        (None, None) => return Err(Fault::Numbered(NO_DESTINATION)),
    };
    read.map(Some).map_err(|_| INVALID)
}

pub(super) fn send_code<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    Ok(Asked::by_token(Operation::SendFlowCode(flow_claim::<WEB>(body, wants, Asks::IfAny)?)))
}

pub(super) fn verify_code<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = flow_claim::<WEB>(body, wants, Asks::ForOne)?;
    let code = match body.get("otp") {
        Some(Value::Number(number)) if number.is_u64() => TypedCode::Number(Code::new(number.to_string())),
        // Below zero, or broken: no code has such a text.
        Some(Value::Number(number)) => TypedCode::Text(Code::new(number.to_string())),
        _ => TypedCode::Text(Code::new(wanted(body, "otp")?)),
    };
    Ok(Asked::by_token(Operation::VerifyFlow { claim, code }))
}

pub(super) fn check_password<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = flow_claim::<WEB>(body, wants, Asks::ForOne)?;
    let password = Password::typed(wanted(body, "password")?);
    expect_passwords(body, wants)?;
    Ok(Asked::by_token(Operation::SignInFlow { claim, password }))
}

pub(super) fn pend_password<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = flow_claim::<WEB>(body, wants, Asks::ForOne)?;
    let (password, confirmation) = (wanted(body, "password")?, wanted(body, "confirmPassword")?);
    expect_passwords(body, wants)?;
    let password = confirmed(password, confirmation)?;
    Ok(Asked::by_token(Operation::PendPassword { claim, password }))
}

pub(super) fn change_password<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = claim::<WEB>(body, wants, Asks::ForOne)?;
    let token = AccessToken::new(wanted(body, "token")?.to_owned());
    let old = Password::typed(wanted(body, "password")?);
    let (new, confirmation) = (wanted(body, "newPassword")?, wanted(body, "confirmPassword")?);
    expect_passwords(body, wants)?;
    let new = confirmed(new, confirmation)?;
    Ok(Asked::by_token(Operation::ChangePassword { claim, token, old, new }))
}

pub(super) fn regenerate<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = claim::<WEB>(body, wants, Asks::ForOne)?;
    let lapsed = if WEB { given(body, "expiredToken")? } else { None };
    let operation = match lapsed {
        Some(token) if given(body, "key")?.is_none() => {
            Operation::Exchange { claim, token: AccessToken::new(token.to_owned()) }
        }
        _ => Operation::Regenerate { claim, key: SessionKey::presented(wanted(body, "key")?) },
    };
    Ok(Asked::by_token(operation))
}

/// The token proves whose session ends: it ends on either set of routes, whether or not it has a device.
pub(super) fn expire<const WEB: bool>(body: &Body, wants: &Wants) -> Result<Asked, Fault> {
    let claim = claim::<WEB>(body, wants, Asks::IfAny)?;
    let device = if WEB { Device::Unsaid } else { claim.device };
    let token = AccessToken::new(wanted(body, "token")?.to_owned());
    Ok(Asked::by_token(Operation::Expire { claim: FlowClaim { device, ..claim }, token }))
}

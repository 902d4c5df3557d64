//! Hexadecimal, base 64, percent-encoding, CRC-32.

use crate::value::{Reading, Text};

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The CRC of IEEE 802.3.
pub(super) fn crc32(input: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in input {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc >>= 1;
            if low == 1 {
                crc ^= 0xEDB8_8320;
            }
        }
    }
    !crc
}

pub(super) fn hex(input: &[u8], out: &mut Text) {
    for byte in input {
        out.push(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

pub(super) fn unhex(input: &[u8], out: &mut Text) -> Option<()> {
    if !input.len().is_multiple_of(2) {
        return None;
    }
    for pair in input.chunks_exact(2) {
        out.push_byte(digit(pair[0])? * 16 + digit(pair[1])?);
    }
    Some(())
}

pub(super) fn dec_to_hex(n: i32, out: &mut Text) {
    use std::fmt::Write;
    // A `Text` takes everything.
    let _ = write!(out, "{n:x}");
}

pub(super) fn hex_to_dec(input: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(input).ok()?;
    let text = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    u32::from_str_radix(text, 16).ok().map(|n| n as i32)
}

pub(super) fn base64(input: &[u8], out: &mut Text) {
    for group in input.chunks(3) {
        let byte = |at: usize| group.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4u32 {
            if at as usize > group.len() {
                out.push_byte(b'=');
            } else {
                out.push_byte(BASE64[(bits >> (18 - 6 * at) & 63) as usize]);
            }
        }
    }
}

pub(super) fn unbase64(input: &[u8], out: &mut Text) -> Option<()> {
    let padding = input.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return None;
    }
    for group in input[..input.len() - padding].chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0u32;
        for byte in group {
            bits = bits << 6 | BASE64.iter().position(|b| b == byte)? as u32;
        }
        bits <<= 6 * (4 - group.len());
        let bytes = bits.to_be_bytes();
        out.push(&bytes[1..group.len()]);
    }
    Some(())
}

pub(super) fn percent(input: &[u8], plain: &[u8], out: &mut Text) -> Reading {
    for &byte in input {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push_byte(byte);
        } else {
            out.push_byte(b'%');
            hex(&[byte], out);
        }
    }
    Reading::Str
}

pub(super) fn unpercent(input: &[u8], out: &mut Text) -> Option<()> {
    let mut rest = input;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                out.push_byte(digit(*high)? * 16 + digit(*low)?);
                after
            }
            (b'%', _) => return None,
            _ => {
                out.push_byte(*byte);
                after
            }
        };
    }
    Some(())
}

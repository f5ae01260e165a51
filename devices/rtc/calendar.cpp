// The MC146818A's time of day and calendar: ten registers in BCD or binary, 12 or 24 hours, that carry into each other.
#include "devices/rtc/rtc.hpp"

namespace glassbox {

namespace {

constexpr u8 binary_mode = 0x04, hours24 = 0x02;
constexpr u8 afternoon = 0x80;

constexpr unsigned days_in_month(unsigned month, unsigned year) {
    constexpr unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) return 31;
    return days[month - 1] + (month == 2 && year % 4 == 0 ? 1 : 0); // the chip knows two digits of the year
}

struct Date {
    i64 year;
    unsigned month, day;
};

/// The Gregorian date of a day number since 1970-01-01, by counting in eras of 400 years that begin on March 1st.
constexpr Date date_of(i64 days_since_1970) {
    constexpr i64 era_days = 146097;
    const i64 days = days_since_1970 + 719468; // since 0000-03-01
    const i64 era = (days >= 0 ? days : days - era_days + 1) / era_days;
    const i64 of_era = days - era * era_days;
    const i64 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const i64 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const i64 shifted_month = (5 * of_year + 2) / 153; // March is 0
    const i64 day = of_year - (153 * shifted_month + 2) / 5 + 1;
    const i64 month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), static_cast<unsigned>(month), static_cast<unsigned>(day)};
}

static_assert(date_of(0).year == 1970 && date_of(0).month == 1 && date_of(0).day == 1);
static_assert(date_of(11016).year == 2000 && date_of(11016).month == 2 && date_of(11016).day == 29);

} // namespace

u8 Rtc::decode(u8 value) const {
    if ((ram_[register_b] & binary_mode) != 0) return value;
    return static_cast<u8>((value >> 4) * 10 + (value & 15));
}

u8 Rtc::encode(unsigned value) const {
    if ((ram_[register_b] & binary_mode) != 0) return static_cast<u8>(value);
    return static_cast<u8>(value / 10 % 10 << 4 | value % 10);
}

unsigned Rtc::hour() const {
    const u8 value = ram_[hours];
    if ((ram_[register_b] & hours24) != 0) return decode(value);
    const unsigned twelve = decode(static_cast<u8>(value & ~afternoon)) % 12;
    return twelve + ((value & afternoon) != 0 ? 12 : 0);
}

void Rtc::set_hour(unsigned hour) {
    if ((ram_[register_b] & hours24) != 0) {
        ram_[hours] = encode(hour);
        return;
    }
    const unsigned twelve = hour % 12 == 0 ? 12 : hour % 12;
    ram_[hours] = static_cast<u8>(encode(twelve) | (hour >= 12 ? afternoon : 0));
}

void Rtc::set_calendar(i64 seconds_utc) {
    constexpr i64 day_seconds = 86400;
    i64 days = seconds_utc / day_seconds, rest = seconds_utc % day_seconds;
    if (rest < 0) {
        rest += day_seconds;
        --days;
    }
    const Date date = date_of(days);
    const i64 full_year = ((date.year % 10000) + 10000) % 10000;
    ram_[seconds] = encode(static_cast<unsigned>(rest % 60));
    ram_[minutes] = encode(static_cast<unsigned>(rest / 60 % 60));
    set_hour(static_cast<unsigned>(rest / 3600));
    ram_[day_of_week] =
        encode(static_cast<unsigned>(((days + 4) % 7 + 7) % 7 + 1)); // 1 is Sunday; 1970 began on Thursday
    ram_[day_of_month] = encode(date.day);
    ram_[month] = encode(date.month);
    ram_[year] = encode(static_cast<unsigned>(full_year % 100));
    ram_[century] = encode(static_cast<unsigned>(full_year / 100));
}

void Rtc::advance_calendar() {
    const auto carry = [this](Register which, unsigned limit) {
        const unsigned next = decode(ram_[which]) + 1u;
        ram_[which] = encode(next >= limit ? 0 : next);
        return next >= limit;
    };
    if (!carry(seconds, 60) || !carry(minutes, 60)) return;
    const unsigned next_hour = hour() + 1;
    set_hour(next_hour >= 24 ? 0 : next_hour);
    if (next_hour >= 24) advance_date();
}

void Rtc::advance_date() {
    const unsigned weekday = decode(ram_[day_of_week]) + 1u;
    ram_[day_of_week] = encode(weekday > 7 ? 1 : weekday);
    const unsigned day = decode(ram_[day_of_month]) + 1u;
    const bool month_ends = day > days_in_month(decode(ram_[month]), decode(ram_[year]));
    ram_[day_of_month] = encode(month_ends ? 1 : day);
    if (!month_ends) return;
    const unsigned next_month = decode(ram_[month]) + 1u;
    ram_[month] = encode(next_month > 12 ? 1 : next_month);
    if (next_month <= 12) return;
    const unsigned next_year = decode(ram_[year]) + 1u;
    ram_[year] = encode(next_year > 99 ? 0 : next_year);
    if (next_year > 99) ram_[century] = encode((decode(ram_[century]) + 1u) % 100);
}

/// Both top bits set in an alarm byte match anything (data sheet, "Alarm").
bool Rtc::alarm_matches() const {
    const auto matches = [this](Register time, Register alarm) {
        return (ram_[alarm] & 0xC0) == 0xC0 || ram_[alarm] == ram_[time];
    };
    return matches(seconds, seconds_alarm) && matches(minutes, minutes_alarm) && matches(hours, hours_alarm);
}

} // namespace glassbox

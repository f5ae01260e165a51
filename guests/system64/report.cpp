// Results as lines on port E9h; guests/system/report.cpp has the list of their kinds.
#include "guests/system64/report.hpp"

#include "guests/system/text.hpp"

extern "C" u32 progress[2];

namespace {

void format(Text& text, const char* f, const u64* words) {
    for (; *f; ++f) {
        if (*f != '%') {
            text.put(*f);
            continue;
        }
        u32 width = 0;
        while (f[1] >= '0' && f[1] <= '9') width = width * 10 + static_cast<u32>(*++f - '0');
        switch (*++f) {
        case 's': text.put(reinterpret_cast<const char*>(*words++)); break;
        case 'x': text.number(*words++, 16, width); break;
        case 'u': text.number(*words++, 10, width); break;
        default: text.put(*f); break;
        }
    }
}

void print(const char* f, const u64* words) {
    char line[400];
    Text text(line, sizeof line);
    format(text, f, words);
    for (const char* p = line; *p; ++p) out8(0xE9, static_cast<u8>(*p));
}

} // namespace

bool Report::next() {
    finish_case();
    const u32 index = next_++;
    if (counting_ || index < from_ || index >= until_ || (only_ != ~0u && index != only_)) return false;
    open_ = true;
    failed_ = false;
    skipped_ = nullptr;
    description_ = "";
    progress[1] = index;
    return true;
}

void Report::print_description() {
    char line[240] = {};
    Text text(line, sizeof line);
    format(text, description_, words_);
    const u64 words[] = {next_ - 1, address(line)};
    print("D %u|%s\n", words);
}

void Report::expect(const char* what, u64 expected, u64 got) {
    if (expected == got) return;
    if (!failed_) print_description();
    failed_ = true;
    const u64 words[] = {address(what), expected, got};
    print("X %s|%x|%x\n", words);
}

void Report::expect_exit(const Exit& exit, u64 vector, u64 error) {
    expect("vector", vector, exit.vector);
    if (exit.vector == vector) expect("error code", error, exit.error);
}

void Report::skip(const char* reason) { skipped_ = reason; }

void Report::expect_shutdown() {
    print_description();
    print("T\n", nullptr);
    shutdown_expected_ = true;
}

void Report::finish_case() {
    if (!open_) return;
    open_ = false;
    if (shutdown_expected_) {
        shutdown_expected_ = false;
        expect("shut down", 1, 0);
    }
    if (skipped_) {
        const u64 words[] = {next_ - 1, address(skipped_)};
        print("S %u|%s\n", words);
    }
    if (failed_) ++failures_;
}

void configure(Report& report, const char* line) {
    report.counting_ = find(line, "list") != nullptr;
    if (const char* n = find(line, "case=")) report.only_ = number(n);
    if (const char* n = find(line, "from=")) report.from_ = number(n);
    if (const char* n = find(line, "until=")) report.until_ = number(n);
}

bool chosen(const char* line, const char* form) { return names_form(line, form); }

void run_form(Report& report, const Form& form) {
    report.next_ = report.failures_ = 0;
    const u64 begin[] = {address(form.name), address(form.section)};
    print("F %s|%s\n", begin);
    if (!report.counting_) reset_tables();
    form.run(report);
    report.finish_case();
    const u64 end[] = {report.next_, report.failures_};
    print("E %u|%u\n", end);
}

void end_of_report() { print("Z\n", nullptr); }

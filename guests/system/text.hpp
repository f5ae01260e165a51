// Text of the two kernels' reports: lines put together in a buffer, and the words of a command line.
#pragma once

class Text {
  public:
    Text(char* out, unsigned size) : out_(out), left_(size - 1) {}
    void put(char c) {
        if (left_ == 0) return;
        *out_++ = c;
        --left_;
        *out_ = 0;
    }
    void put(const char* s) {
        while (*s) put(*s++);
    }
    template <class Number> void number(Number value, unsigned base, unsigned width) {
        char digits[24];
        unsigned n = 0;
        do digits[n++] = "0123456789abcdef"[value % base];
        while ((value /= base) != 0);
        while (n < width && n < sizeof digits) digits[n++] = '0';
        while (n) put(digits[--n]);
    }

  private:
    char* out_;
    unsigned left_;
};

/// The text after `key` at the start of a word, or null.
inline const char* find(const char* line, const char* key) {
    for (const char* word = line; *word; ++word) {
        if (word != line && word[-1] != ' ') continue;
        unsigned n = 0;
        while (key[n] && word[n] == key[n]) ++n;
        if (!key[n]) return word + n;
    }
    return nullptr;
}

inline unsigned number(const char* text) {
    unsigned value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + static_cast<unsigned>(*text++ - '0');
    return value;
}

/// Whether the command line leaves this form in: no word `form=`, or this one's name.
inline bool names_form(const char* line, const char* form) {
    const char* wanted = find(line, "form=");
    if (!wanted) return true;
    while (*form && *wanted == *form) ++wanted, ++form;
    return !*form && (!*wanted || *wanted == ' ');
}

// Group normalisation with an optional SiLU, forward and backward, for bfloat16
// activations in channels-last order: x[n][p][c], p over height x width.
//
// The stock backward kernel takes nearly half of a training step on the CPU. Here every
// sample is handled by one thread while it lies in the cache.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

inline float widen(uint16_t value) {
    uint32_t bits = static_cast<uint32_t>(value) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline uint16_t narrow(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits += 0x7fffu + ((bits >> 16) & 1u);
    return static_cast<uint16_t>(bits >> 16);
}

inline float sigmoid(float value) { return 1.0f / (1.0f + expf(-value)); }

}  // namespace

extern "C" {

// y = silu?(norm(x) * weight + bias); saves mean and reciprocal deviation per (n, group).
void group_norm_forward(const uint16_t* x, const float* weight, const float* bias, uint16_t* y,
                        float* mean, float* rstd, int64_t samples, int64_t pixels,
                        int64_t channels, int64_t groups, float epsilon, int silu) {
    const int64_t width = channels / groups;
#pragma omp parallel
    {
        std::vector<float> gain(channels), shift(channels);
#pragma omp for
        for (int64_t n = 0; n < samples; ++n) {
            const uint16_t* source = x + n * pixels * channels;
            uint16_t* target = y + n * pixels * channels;
            float* a = gain.data();
            float* b = shift.data();
            std::memset(a, 0, channels * sizeof(float));
            std::memset(b, 0, channels * sizeof(float));
            for (int64_t p = 0; p < pixels; ++p) {
                const uint16_t* row = source + p * channels;
#pragma omp simd
                for (int64_t c = 0; c < channels; ++c) {
                    const float value = widen(row[c]);
                    a[c] += value;
                    b[c] += value * value;
                }
            }
            for (int64_t g = 0; g < groups; ++g) {
                double sum = 0, squares = 0;
                for (int64_t c = g * width; c < (g + 1) * width; ++c) {
                    sum += a[c];
                    squares += b[c];
                }
                const double size = static_cast<double>(width * pixels);
                const double centre = sum / size;
                const double variance = std::fmax(squares / size - centre * centre, 0.0);
                const float scale = static_cast<float>(1.0 / std::sqrt(variance + epsilon));
                mean[n * groups + g] = static_cast<float>(centre);
                rstd[n * groups + g] = scale;
                for (int64_t c = g * width; c < (g + 1) * width; ++c) {
                    a[c] = scale * weight[c];
                    b[c] = bias[c] - static_cast<float>(centre) * a[c];
                }
            }
            for (int64_t p = 0; p < pixels; ++p) {
                const uint16_t* row = source + p * channels;
                uint16_t* out = target + p * channels;
                if (silu) {
#pragma omp simd
                    for (int64_t c = 0; c < channels; ++c) {
                        const float value = widen(row[c]) * a[c] + b[c];
                        out[c] = narrow(value * sigmoid(value));
                    }
                } else {
#pragma omp simd
                    for (int64_t c = 0; c < channels; ++c) {
                        out[c] = narrow(widen(row[c]) * a[c] + b[c]);
                    }
                }
            }
        }
    }
}

// Gradients of the above; weight_parts and bias_parts are (samples, channels).
void group_norm_backward(const uint16_t* grad, const uint16_t* x, const float* weight,
                         const float* bias, const float* mean, const float* rstd, uint16_t* dx,
                         float* weight_parts, float* bias_parts, int64_t samples, int64_t pixels,
                         int64_t channels, int64_t groups, int silu) {
    const int64_t width = channels / groups;
#pragma omp parallel
    {
        std::vector<float> gain(channels), shift(channels), slope(channels), offset(channels);
        std::vector<float> inner(pixels * channels);
#pragma omp for
        for (int64_t n = 0; n < samples; ++n) {
            const uint16_t* source = x + n * pixels * channels;
            const uint16_t* above = grad + n * pixels * channels;
            uint16_t* target = dx + n * pixels * channels;
            float* a = gain.data();
            float* b = shift.data();
            float* products = weight_parts + n * channels;
            float* sums = bias_parts + n * channels;
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t g = n * groups + c / width;
                a[c] = rstd[g] * weight[c];
                b[c] = bias[c] - mean[g] * a[c];
                products[c] = 0;
                sums[c] = 0;
            }
            for (int64_t p = 0; p < pixels; ++p) {
                const uint16_t* row = source + p * channels;
                const uint16_t* up = above + p * channels;
                float* d = inner.data() + p * channels;
                if (silu) {
#pragma omp simd
                    for (int64_t c = 0; c < channels; ++c) {
                        const float raw = widen(row[c]);
                        const float value = raw * a[c] + b[c];
                        const float gate = sigmoid(value);
                        const float change = widen(up[c]) * gate * (1.0f + value * (1.0f - gate));
                        d[c] = change;
                        products[c] += change * raw;
                        sums[c] += change;
                    }
                } else {
#pragma omp simd
                    for (int64_t c = 0; c < channels; ++c) {
                        const float change = widen(up[c]);
                        d[c] = change;
                        products[c] += change * widen(row[c]);
                        sums[c] += change;
                    }
                }
            }
            for (int64_t g = 0; g < groups; ++g) {
                const float centre = mean[n * groups + g];
                const float scale = rstd[n * groups + g];
                float total = 0, projected = 0;
                for (int64_t c = g * width; c < (g + 1) * width; ++c) {
                    products[c] = (products[c] - centre * sums[c]) * scale;
                    total += sums[c] * weight[c];
                    projected += products[c] * weight[c];
                }
                const float size = static_cast<float>(width * pixels);
                const float along = -scale * scale * projected / size;
                const float level = -scale * total / size - along * centre;
                for (int64_t c = g * width; c < (g + 1) * width; ++c) {
                    slope[c] = along;
                    offset[c] = level;
                }
            }
            for (int64_t p = 0; p < pixels; ++p) {
                const uint16_t* row = source + p * channels;
                const float* d = inner.data() + p * channels;
                uint16_t* out = target + p * channels;
                const float* s = slope.data();
                const float* o = offset.data();
#pragma omp simd
                for (int64_t c = 0; c < channels; ++c) {
                    out[c] = narrow(d[c] * a[c] + widen(row[c]) * s[c] + o[c]);
                }
            }
        }
    }
}

}  // extern "C"

// Pictures [batch, height, width, channels], 0..1, float32 and contiguous, sharpened by `amount`.
#include <torch/extension.h>

#include <algorithm>

torch::Tensor sharpen(const torch::Tensor& images, double amount) {
  TORCH_CHECK(images.dim() == 4 && images.scalar_type() == torch::kFloat32 && images.is_contiguous(),
              "sharpen takes contiguous float32 pictures [batch, height, width, channels]");
  auto result = torch::empty_like(images);
  const int64_t height = images.size(1), width = images.size(2), channels = images.size(3);
  const float* source = images.data_ptr<float>();
  float* target = result.data_ptr<float>();
  const float strength = static_cast<float>(amount);
  at::parallel_for(0, images.size(0) * height, 16, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const int64_t y = row % height;
      const float* line = source + row * width * channels;
      const float* above = y > 0 ? line - width * channels : line;
      const float* below = y + 1 < height ? line + width * channels : line;
      for (int64_t x = 0; x < width; ++x) {
        const int64_t left = std::max<int64_t>(x - 1, 0), right = std::min(x + 1, width - 1);
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t here = x * channels + c;
          const float around =
              (above[here] + below[here] + line[left * channels + c] + line[right * channels + c]) / 4.0f;
          const float value = line[here] + strength * (line[here] - around);
          target[row * width * channels + here] = std::clamp(value, 0.0f, 1.0f);
        }
      }
    }
  });
  return result;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("sharpen", &sharpen, "Sharpen pictures"); }

/** Dawn hides f16 on NVIDIA, and what is experimental, unless these are on. */
export const FEATURES = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";

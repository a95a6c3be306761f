/** The public face: names only. */
export * from "../kernels/index.ts";
export { type Network as OfficialNetwork, network as officialNetwork } from "./architectures.ts";
export { type LoadedGuided, loadGuided } from "./architectures_guided.ts";
export {
  asModel,
  type LoadedReconstructor,
  loadReconstructor,
  posterior as posteriorNetwork,
  posteriorMetadata,
} from "./architectures_posterior.ts";
export { checkpoint, constant, valueAndGrad, vjp } from "./autograd/vjp.ts";
export {
  type LoadDenoiserOptions,
  type LoadedDenoiser,
  loadDenoiser,
  loadTrainable,
  prior,
  type Trainable,
} from "./catalogue.ts";
export { anySize } from "./diffusion/any_size.ts";
export { type Bridge, bridge, bridgeDenoiser } from "./diffusion/bridge.ts";
export type { Denoiser, Reconstructor, Sigma } from "./diffusion/denoiser.ts";
export { gaussian } from "./diffusion/gaussian.ts";
export { precondition } from "./diffusion/precondition.ts";
export { unitRange } from "./diffusion/unit_range.ts";
export { velocity } from "./diffusion/velocity.ts";
export { GpuError, ProxelError, ShaderError, ShapeError, WeightsError } from "./errors.ts";
export { type LoadedLpips, loadLpips } from "./eval_weights.ts";
export { type Gpu, gpu, type OpenOptions, openGpu } from "./gpu/open.ts";
export { examine, type Identified, loadTensors } from "./identify.ts";
export { readImage, writeImage } from "./io/image.ts";
export { readPicture } from "./io/picture.ts";
export { pictureTiles } from "./io/picture_tiles.ts";
export { openTilesApart } from "./io/tiles_apart.ts";
export { conjugateGradients } from "./linalg/cg.ts";
export { dotTest } from "./linalg/dot_test.ts";
export { leastSquares } from "./linalg/least_squares.ts";
export { onComplex } from "./linalg/on_complex.ts";
export { onReal } from "./linalg/on_real.ts";
export {
  compose,
  H,
  type LinearOperator,
  linear,
  nonlinear,
  type Operator,
  scale,
  stack as stackOperators,
} from "./linalg/operator.ts";
export { proxL2 } from "./linalg/prox_l2.ts";
export * as metrics from "./metrics/metrics.ts";
export { ADM, type OfficialAdm, officialAdm } from "./nets/adm_official.ts";
export { admUnet } from "./nets/adm_unet.ts";
export { checkpointed } from "./nets/checkpointed.ts";
export { type ControlNet, controlNet, controlStart } from "./nets/controlnet.ts";
export { DDPM, ddpm, type OfficialDdpm, officialDdpm } from "./nets/ddpm.ts";
export { dhariwalUnet } from "./nets/dhariwal_unet.ts";
export { discriminator, officialDiscriminator } from "./nets/discriminator.ts";
export { type OfficialEdm, officialEdm } from "./nets/edm_official.ts";
export { halved } from "./nets/halved.ts";
export { kernelWizard, officialKernelWizard } from "./nets/kernel_wizard.ts";
export { NCSNPP, ncsnpp, type OfficialNcsnpp, officialNcsnpp } from "./nets/ncsnpp.ts";
export { countParameters, initParams, type Net, type Params } from "./nets/net.ts";
export { normUnet } from "./nets/norm_unet.ts";
export { conditioned, type PosteriorNet } from "./nets/posterior_net.ts";
export { officialRam, type RamNoise, ram } from "./nets/ram.ts";
export { songUnet } from "./nets/song_unet.ts";
export { spaceToDepth } from "./nets/space_to_depth.ts";
export { type Unfolding, type UnfoldingConfig, unfold, unfolding } from "./nets/unfolding.ts";
export { officialVarnet, type Sampling, varnet } from "./nets/varnet.ts";
export { bicubicConvolution, imresize } from "./physics/bicubic.ts";
export { blur } from "./physics/blur.ts";
export { birdcage } from "./physics/coils.ts";
export { grey } from "./physics/colour.ts";
export { randomConvolution, walshSensing } from "./physics/compressed_sensing.ts";
export { superResolution } from "./physics/downsample.ts";
export { espirit } from "./physics/espirit.ts";
export { hdr } from "./physics/hdr.ts";
export { identity } from "./physics/identity.ts";
export { jpeg } from "./physics/jpeg.ts";
export { bernoulliMask, boxMask, dustMask, inpaint, pictureMask, randomMask } from "./physics/mask.ts";
export { motionPsf, smoothMotionPsf } from "./physics/motion.ts";
export { coilImages, mri, rss } from "./physics/mri.ts";
export { type MriMask, mriMask } from "./physics/mri_masks.ts";
export {
  addNoise,
  corrupted,
  type Noise,
  poissonNoise,
  publishedSigmaRange,
  type SigmaRange,
  signedSigma,
} from "./physics/noise.ts";
export { blurLatent, nonlinearBlur } from "./physics/nonlinear_blur.ts";
export { codedDiffraction, phaseRetrieval } from "./physics/phase.ts";
export { publishedPsf } from "./physics/psf_published.ts";
export { PRESETS } from "./presets.ts";
export { METHODS as TRAINING } from "./recipes.ts";
export { scheduleOf, valuesOf } from "./recipes_shared.ts";
export { type Recognised, recognise } from "./recognise.ts";
export { cm4ir, cm4irPresets } from "./solvers/cm4ir.ts";
export { consistency } from "./solvers/consistency.ts";
export { type CosignOptions, cosign } from "./solvers/cosign.ts";
export { daps, dapsPresets } from "./solvers/daps.ts";
export { ddiff, ddiffHqs, ddiffPresets } from "./solvers/ddiff.ts";
export { ddim } from "./solvers/ddim.ts";
export { ddnm } from "./solvers/ddnm.ts";
export { ddpm as ddpmSampler } from "./solvers/ddpm.ts";
export { ddrm } from "./solvers/ddrm.ts";
export { dds } from "./solvers/dds.ts";
export { denoise } from "./solvers/denoise.ts";
export { diffPnpAdmm, diffPnpHqs } from "./solvers/diff_pnp.ts";
export { cedm, diffUnfolding, diffUnfoldingPresets } from "./solvers/diff_unfolding.ts";
export { diffpir } from "./solvers/diffpir.ts";
export { dpir } from "./solvers/dpir.ts";
export { dps, dpsPresets } from "./solvers/dps.ts";
export { edm } from "./solvers/edm.ts";
export { bridgeStart, type I2sbOptions, i2sb } from "./solvers/i2sb.ts";
export { latino, latinoPresets } from "./solvers/latino.ts";
export { pc, pcPresets } from "./solvers/pc.ts";
export { pigdm } from "./solvers/pigdm.ts";
export { pnpAdmm } from "./solvers/pnp_admm.ts";
export { pnpEdm, pnpEdmPresets } from "./solvers/pnp_edm.ts";
export { pnpGd, pnpGdPresets } from "./solvers/pnp_gd.ts";
export { posterior } from "./solvers/posterior.ts";
export { ram as ramSolver } from "./solvers/ram.ts";
export { redDiff, redDiffPresets } from "./solvers/red_diff.ts";
export { loadState, type Saved, saveState } from "./solvers/saved.ts";
export { type Problem, restore, run, type Solver, type State, type Step } from "./solvers/solver.ts";
export { type Ud2mOptions, ud2m, ud2mPresets } from "./solvers/ud2m.ts";
export { type UnfoldedOptions, unfolded } from "./solvers/unfolded.ts";
export { measured, simulate, TASKS, type Task } from "./tasks.ts";
export { grid1d, kernel, lanesFor } from "./tensor/kernel.ts";
export { op } from "./tensor/op.ts";
export { type Plan, type PlanInput, plan } from "./tensor/plan.ts";
export { dispose, leaves, mapTree, scope, type Tree } from "./tensor/scope.ts";
export type { DType, Shape } from "./tensor/shape.ts";
export { frugal, Tensor, tensor, upload } from "./tensor/tensor.ts";
export { AUGMENT_LABELS, type AugmentOptions, augmented, edmAugment } from "./train/augment.ts";
export { checkpointBytes, loadCheckpoint, saveCheckpoint } from "./train/checkpoint.ts";
export { consistencyDistillation, consistencyGrid, consistencyLoss } from "./train/consistency.ts";
export { cosignLoss, cosignModel, cosignTraining, guided } from "./train/cosign.ts";
export { drawBatch, type Mix } from "./train/data.ts";
export { atFixedPoint, type FixedPointOptions, type Settled, type SettleOptions, settle, told } from "./train/deq.ts";
export { type Distance, pseudoHuber, squaredError } from "./train/distance.ts";
export { type DsmTraining, drawLevels, dsm, dsmLoss } from "./train/dsm.ts";
export { edmLoss } from "./train/edm_loss.ts";
export { edmRecipe, ofDenoiser } from "./train/edm_recipe.ts";
export { type BridgePair, i2sbLoss, i2sbModel, i2sbTraining } from "./train/i2sb.ts";
export { type LoraOptions, loadLora, lora, loraMerge, loraShapes, unparametrised } from "./train/lora.ts";
export { type MupetOptions, mapStep, mupet } from "./train/mupet.ts";
export { mupetDegradation } from "./train/mupet_degradations.ts";
export { adam } from "./train/optimiser.ts";
export type { Adversary, At, Recipe } from "./train/recipe.ts";
export { type Trained, trainedNet, trainedScore } from "./train/trained.ts";
export { averaged, type Report, type Training, type TrainOptions, train, training } from "./train/trainer.ts";
export { type Ud2mRecipeOptions, ud2m as ud2mRecipe } from "./train/ud2m.ts";
export { loadUd2m, ud2mBytes } from "./train/ud2m_file.ts";
export {
  type OpenWeightsOptions,
  openWeights,
  type Plain,
  type Weights,
  type WeightsFormat,
} from "./weights/open.ts";
export { loadParams, paramBytes, streamParams } from "./weights/params.ts";
export { formatSafetensors, parseSafetensors } from "./weights/safetensors.ts";
export { type SaveOptions, saveWeights } from "./weights/save.ts";
